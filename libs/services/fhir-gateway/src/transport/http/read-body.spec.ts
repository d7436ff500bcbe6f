import { expect, it } from 'vitest';

import { HeldBodies, readBody } from './read-body.js';

const mebi = 1024 * 1024;
async function* chunks(count: number, bytes = mebi): AsyncGenerator<Buffer> {
  for (let i = 0; i < count; i++) yield await Promise.resolve(Buffer.alloc(bytes, 0x20));
}

it('reads a body whole, and counts it until it is released', async () => {
  const bodies = new HeldBodies(10 * mebi);
  const share = bodies.share();
  expect(await readBody(chunks(4), share)).toHaveLength(4 * mebi);
  expect(bodies.bytes).toBe(4 * mebi);
  share.release();
  share.release();
  expect(bodies.bytes).toBe(0);
});

it('refuses with 503 what would be too much with the others, and takes it again later', async () => {
  const bodies = new HeldBodies(10 * mebi);
  const [first, second] = [bodies.share(), bodies.share()];
  await readBody(chunks(7), first);
  await expect(readBody(chunks(4), second)).rejects.toMatchObject({ status: 503, issues: [{ code: 'throttled' }] });
  second.release();
  expect(bodies.bytes).toBe(7 * mebi);
  first.release();
  expect(await readBody(chunks(10), bodies.share())).toHaveLength(10 * mebi);
});

it('refuses one body that is too long with 413', async () => {
  await expect(readBody(chunks(33), new HeldBodies().share())).rejects.toMatchObject({ status: 413 });
});
