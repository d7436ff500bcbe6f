import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { testDataPath } from '@callosum/testing';
import { describe, expect, it } from 'vitest';
import { isEncapsulated, isStreamOf, parseFile, pixelDataLayout } from './index.js';

/** Frames of each file with any, joined of their fragments. */
function* compressed(folder: string): Generator<{ name: string; uid: string; frames: Buffer[] }> {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((one) => one.endsWith('.dcm'))) {
    const file = parseFile(readFileSync(join(folder, name)));
    const { uid } = file.transferSyntax;
    if (!isEncapsulated(uid) || !file.pixelData) continue;
    const { frames } = pixelDataLayout(file);
    const joined = frames.map((fragments) =>
      Buffer.concat(fragments.map(({ offset, byteCount }) => file.bytes.subarray(offset, offset + byteCount))),
    );
    yield { name, uid, frames: joined };
  }
}

describe('isStreamOf', () => {
  const data = testDataPath();
  it.skipIf(data === undefined).each(['codecs', 'studies'])('is true of every frame of other makers: %s', (folder) => {
    const wrong: string[] = [];
    let count = 0;
    for (const { name, uid, frames } of compressed(join(data ?? '', folder)))
      for (const frame of frames) {
        count++;
        const head = frame.subarray(0, 4_096);
        if (isStreamOf(frame, uid, true) !== true || isStreamOf(head, uid, head.length === frame.length) !== true)
          wrong.push(name);
      }
    expect(wrong).toEqual([]);
    expect(count).toBeGreaterThan(10);
  });
});
