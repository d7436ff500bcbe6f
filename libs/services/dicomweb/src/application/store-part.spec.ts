import { describe, expect, it } from 'vitest';

import { begunWith } from './store-part.js';

async function* bytewise(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (const byte of bytes) yield Uint8Array.of(byte);
}

describe('begunWith', () => {
  it.each([0, 1, 999, 1_000, 5_000])('gives the first of %i bytes, and then all of them', async (byteCount) => {
    const bytes = Uint8Array.from({ length: byteCount }, (_, i) => i);
    const { head, body } = await begunWith(bytewise(bytes), 1_000);
    expect(Buffer.from(head).equals(bytes.subarray(0, 1_000))).toBe(true);
    const chunks: Uint8Array[] = [];
    for await (const chunk of body) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
    // What was looked at is one piece, however many it came in.
    expect(chunks).toHaveLength(byteCount === 0 ? 0 : 1 + Math.max(0, byteCount - 1_000));
  });
});
