import { AssociationRejectedError, echo, type ScuOptions } from '@callosum/dimse';
import { afterEach, expect, it } from 'vitest';

import { hashPasscode } from '../../domain/passcode.js';
import { MemoryNode } from '../../test-support/memory-node.js';

let node: MemoryNode;
afterEach(() => node.close());

const answered = (changes: Partial<ScuOptions>): Promise<unknown> =>
  echo(node.to(changes)).then(
    () => 'accepted',
    (error: unknown) => {
      if (!(error instanceof AssociationRejectedError)) throw error;
      return [error.result, error.source, error.reason].join('/');
    },
  );

it('an AE that tries passcodes takes no more than its own places: another comes in', async () => {
  const users = [{ name: 'technician', passcodeHash: await hashPasscode('geheim') }];
  const entry = { host: '127.0.0.1', users };
  node = await MemoryNode.start({
    CALLOSUM_DIMSE_AES: JSON.stringify([
      { aet: 'CT1', ...entry, associationsMax: 1 },
      { aet: 'MR1', ...entry },
    ]),
    CALLOSUM_DIMSE_USER_IDENTITY: 'optional',
    CALLOSUM_DIMSE_IDENTITY_IN_CLEAR: 'true',
    CALLOSUM_DIMSE_ASSOCIATIONS_MAX: '4',
  });
  const identity = (passcode: string) => ({ userIdentity: { username: 'technician', passcode } });
  const answers = new Set<unknown>();
  let done = false;
  const tries = Array.from({ length: 8 }, async () => {
    while (!done) answers.add(await answered(identity('wrong')));
  });
  // Its place is taken by one, and that one is being looked at.
  await expect.poll(() => answers.size).toBe(2);
  for (let count = 0; count < 5; count++)
    expect(await answered({ ...identity('geheim'), callingAet: 'MR1' })).toBe('accepted');
  done = true;
  await Promise.all(tries);
  expect(answers).toEqual(new Set(['1/1/1', '2/3/2']));
  expect(new Set(node.rejections)).toEqual(new Set(['user-unknown', 'ae-associations-max']));
  // Who was refused has given its place back.
  expect(await answered(identity('geheim'))).toBe('accepted');
});
