import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { describe, expect, it } from 'vitest';

import { text } from '../../test-support/many-elements.js';
import { implementation } from '../../test-support/objects.js';
import { type DicomDataset, ExplicitVRLittleEndian, writeFileMeta } from '../index.js';
import { rangedFile } from '../parse/dataset-stream.js';
import { headerEvents } from './header-events.js';

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** A private element of VR UN that is a sequence of one item with so many empty elements (PS3.5 6.2.2 note 2). */
function unknownOf(count: number): Buffer {
  const head = Buffer.from([0x29, 0, 0x01, 0x10, 0x55, 0x4e, 0, 0, 0, 0, 0, 0, 0xfe, 0xff, 0, 0xe0, 0, 0, 0, 0]);
  head.writeUInt32LE(8 + 8 * count, 8);
  head.writeUInt32LE(8 * count, 16);
  const elements = Array.from({ length: count }, (_, i) => {
    const element = Buffer.from([0x29, 0, 0, 0, 0, 0, 0, 0]);
    element.writeUInt16LE(0x1100 + i, 2);
    return element;
  });
  return Buffer.concat([head, ...elements]);
}

describe('an element of a walk', () => {
  it('is let go when its text is made: who takes that may take his time', async () => {
    const meta = writeFileMeta({
      sopClassUid: '1.2.840.10008.5.1.4.1.1.7',
      sopInstanceUid: '1.2.3.4',
      transferSyntaxUid: ExplicitVRLittleEndian,
      ...implementation,
    });
    const file = Buffer.concat([meta, text(0x00100020, 'LO', '1 '), unknownOf(100), text(0x00324000, 'LT', '2 ')]);
    const read = (offset: number, byteCount: number): Promise<Uint8Array> =>
      Promise.resolve(file.subarray(offset, offset + byteCount));
    const made: WeakRef<DicomDataset>[] = [];
    const sizes: number[] = [];
    const events = headerEvents(await rangedFile(read, file.length), (tag, dataset) => {
      made.push(new WeakRef(dataset));
      sizes.push(dataset.element(tag)?.items?.[0]?.size ?? 0);
      return tag;
    });
    expect((await events.next()).value).toEqual({ kind: 'element', text: '00100020' });
    expect((await events.next()).value).toEqual({ kind: 'element', text: '00291001' });
    expect(sizes).toEqual([0, 100]);
    await setImmediate();
    collectGarbage();
    expect(made.map((dataset) => dataset.deref() === undefined)).toEqual([true, true]);
    await events.return(undefined);
  });
});
