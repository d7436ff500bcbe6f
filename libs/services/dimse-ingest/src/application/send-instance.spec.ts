import { RLELossless } from '@callosum/dicom';
import { expect, it } from 'vitest';

import { at, explicitLe, image, inSyntax, MemoryObjects } from '../test-support/query.js';
import { SendInstance, type StoreObject } from './send-instance.js';

it('frames of many retrieves of one AE leave every other turn to another', async () => {
  const objects = new MemoryObjects();
  // Too large to be held: its frames are made again while they are sent.
  objects.files.set('1.1', await inSyntax(image('1.1', { rows: 1_024, frames: 6 }), RLELossless));
  const send = new SendInstance(1);
  const run = (callingAet: string, chunk: () => Promise<void>): Promise<unknown> => {
    const store: StoreObject = async ({ otherwise }) => {
      const form = await otherwise?.([explicitLe]);
      for await (const bytes of form?.dataset(65_536) ?? []) if (bytes.length > 0) await chunk();
      return { status: 0 };
    };
    const retrieve = { objects, callingAet, signal: new AbortController().signal };
    return send.execute(at('1.1', RLELossless), retrieve, store);
  };
  const gate = Promise.withResolvers<void>();
  let [begun, ofOne, ofOther] = [0, 0, 0];
  const one = Array.from({ length: 8 }, () => {
    let isFirst = true;
    return run('ONE', async () => {
      if (isFirst) begun++;
      isFirst = false;
      await gate.promise;
      ofOne++;
    });
  });
  await expect.poll(() => begun, { timeout: 30_000 }).toBe(8);
  let atEnd = 0;
  const other = run('OTHER', () => {
    ofOther++;
    gate.resolve();
    atEnd = ofOne;
    return Promise.resolve();
  });
  await Promise.all([other, ...one]);
  expect(ofOne).toBe(8 * ofOther);
  expect(atEnd).toBeLessThanOrEqual(2 * ofOther);
});
