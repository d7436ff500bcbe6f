import { parseSettings, UnauthenticatedBindError } from '@callosum/config';
import { echo, ScuAssociation, storeFiles } from '@callosum/dimse';
import { afterEach, describe, expect, it } from 'vitest';

import type { ApplicationEntity } from '../../domain/application-entity.js';
import { assertDimseBind, dimseIngestSettings } from '../../settings.js';
import { ctFile, MemoryNode } from '../../test-support/memory-node.js';

describe('an AE', () => {
  let node: MemoryNode | undefined;
  afterEach(async () => {
    await node?.close();
    node = undefined;
  });
  const knowing = async (...aes: object[]): Promise<MemoryNode> => {
    node = await MemoryNode.start({ CALLOSUM_DIMSE_AES: JSON.stringify(aes) });
    return node;
  };
  const rejection = (at: MemoryNode, callingAet: string): Promise<unknown> =>
    echo(at.to({ callingAet })).catch((error: unknown) => error);

  it('on the list may send from its address, its network and its name', async () => {
    const at = await knowing(
      { aet: 'CT1', host: '127.0.0.1', port: 104 },
      { aet: 'MR1', host: '127.0.0.0/8' },
      { aet: 'US1', host: 'localhost' },
      { aet: 'US1', host: '10.0.0.1' },
    );
    for (const callingAet of ['CT1', 'MR1', 'US1']) expect(await rejection(at, callingAet)).toEqual({ status: 0 });
    expect(await storeFiles({ ...at.to(), files: [ctFile('1.2.3.4')] })).toMatchObject([{ status: 0 }]);
  });

  it.each([
    ['that is not on the list', 'XX1', 'unknown-aet'],
    ['whose title differs in case', 'ct1', 'unknown-aet'],
    ['that calls from another address', 'CT1', 'wrong-address'],
    ['that calls from another network', 'MR1', 'wrong-address'],
    ['whose name is not to be resolved', 'US1', 'wrong-address'],
  ])('%s is rejected 1/1/3, and nothing of it is stored', async (_which, callingAet, why) => {
    const at = await knowing(
      { aet: 'CT1', host: '10.1.2.3' },
      { aet: 'MR1', host: '10.1.0.0/16' },
      { aet: 'US1', host: 'no-such-modality.invalid' },
    );
    expect(await rejection(at, callingAet)).toMatchObject({ result: 1, source: 1, reason: 3 });
    expect(at.logLines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
      expect.objectContaining({ msg: 'assoc.rejected', aet: callingAet, why }),
    );
    expect(at.archive.committed).toEqual([]);
  });

  it('that is let in no more, or for something else, loses what it has open', async () => {
    node = await MemoryNode.start({});
    const entry = (aet: string, more = {}): ApplicationEntity => ({ aet, host: '127.0.0.1', ...more });
    await node.change(entry('CT1'), entry('MR1'), entry('US1'));
    const open = (callingAet: string): Promise<ScuAssociation> =>
      ScuAssociation.open((node as MemoryNode).to({ callingAet }), [
        { abstractSyntaxUid: '1.2.840.10008.1.1', transferSyntaxUids: ['1.2.840.10008.1.2'] },
      ]);
    const [removed, restricted, other] = await Promise.all(['CT1', 'MR1', 'US1'].map(open));
    await node.change(entry('MR1', { may: ['query'] }), entry('US1', { associationsMax: 3 }));
    expect(await removed?.ended).toMatchObject({ how: 'aborted', by: 'peer' });
    expect(await restricted?.ended).toMatchObject({ how: 'aborted', by: 'peer' });
    expect(await other?.echo(1)).toMatchObject({ status: 0 });
    await other?.release();
  });

  it('on the list that calls another AE title is still rejected 1/1/7', async () => {
    const at = await knowing({ aet: 'CT1', host: '127.0.0.1' });
    expect(await echo(at.to({ calledAet: 'SOMEONE' })).catch((error: unknown) => error)).toMatchObject({ reason: 7 });
  });

  it.each(['{}', '[{"aet":"CT1"}]', '[{"aet":"CT1","host":"10.1.2.300"}]', '[{"aet":"A\\\\B","host":"h"}]', 'CT1'])(
    'written as %s stops the start by the name of the setting',
    (text) => {
      expect(() => parseSettings(dimseIngestSettings, { CALLOSUM_DIMSE_AES: text })).toThrow(
        /CALLOSUM_DIMSE_AES: must be/,
      );
    },
  );

  it('needs the list once the port is open to other machines', () => {
    const bind = (changes: Record<string, string>) => () =>
      assertDimseBind(parseSettings(dimseIngestSettings, { CALLOSUM_DIMSE_HOST: '0.0.0.0', ...changes }));
    expect(bind({})).toThrow(UnauthenticatedBindError);
    expect(bind({ CALLOSUM_DIMSE_AES: '[{"aet":"CT1","host":"10.0.0.0/8"}]' })).not.toThrow();
  });
});
