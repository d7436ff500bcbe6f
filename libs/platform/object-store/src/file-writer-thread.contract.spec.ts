import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { WriterOrder, WriterReply } from './file-writer-thread.js';

describe('objects that end in one thread at the same time', () => {
  let folder: string;
  let worker: Worker;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'callosum-thread-'));
    for (const name of ['staging', 'a', 'b']) mkdirSync(join(folder, name));
    worker = new Worker(new URL('./file-writer-thread.ts', import.meta.url), { execArgv: [] });
  });
  afterEach(async () => {
    await worker.terminate();
    rmSync(folder, { recursive: true, force: true });
  });

  const last = (id: number, path: string, synced = join(folder, path, '..')): WriterOrder => ({
    id,
    staging: join(folder, 'staging', String(id)),
    bytes: Buffer.from(`object ${id}`),
    finish: { path: join(folder, path), folder: synced },
  });
  /** All of them before the thread has a turn. */
  function replies(orders: readonly WriterOrder[]): Promise<Map<number, WriterReply>> {
    const found = new Map<number, WriterReply>();
    return new Promise((resolve) => {
      const hear = (reply: WriterReply): void => {
        if (found.set(reply.id, reply).size < orders.length) return;
        worker.off('message', hear);
        resolve(found);
      };
      worker.on('message', hear);
      for (const order of orders) worker.postMessage(order);
    });
  }

  it('are each told with their own digest, and have their names', async () => {
    const orders = Array.from({ length: 20 }, (_, i) => last(i, `${i % 2 === 0 ? 'a' : 'b'}/${i}`));
    const told = await replies(orders);
    for (const order of orders) {
      expect(told.get(order.id)?.failure).toBeUndefined();
      const path = 'finish' in order ? (order.finish?.path ?? '') : '';
      expect(readFileSync(path, 'utf8')).toBe(`object ${order.id}`);
    }
    expect(new Set([...told.values()].map(({ sha256 }) => sha256)).size).toBe(orders.length);
    // They are told before their staged names are taken away.
    await expect.poll(() => readdirSync(join(folder, 'staging'))).toEqual([]);
  });

  it('fail each alone, whatever step it is in', async () => {
    writeFileSync(join(folder, 'a', 'taken'), 'another object');
    writeFileSync(join(folder, 'staging', '3'), 'somebody else writes it');
    const told = await replies([
      last(1, 'a/1'),
      last(2, 'a/taken'),
      last(3, 'a/3'),
      last(4, 'nowhere/4'),
      last(5, 'b/5'),
      // Its name cannot be flushed, and so the other's in that folder cannot.
      last(6, 'a/6', join(folder, 'no-folder')),
      last(7, 'a/7', join(folder, 'no-folder')),
      last(8, 'b/8'),
    ]);
    const codes = [...told].map(([id, { failure }]) => [id, failure?.code]).sort(([a], [b]) => Number(a) - Number(b));
    expect(codes).toEqual([
      [1, undefined],
      [2, 'EEXIST'],
      [3, 'EEXIST'],
      [4, 'ENOENT'],
      [5, undefined],
      [6, 'ENOENT'],
      [7, 'ENOENT'],
      [8, undefined],
    ]);
    expect(readFileSync(join(folder, 'a', 'taken'), 'utf8')).toBe('another object');
    expect(existsSync(join(folder, 'a', '3'))).toBe(false);
    for (const path of ['a/1', 'b/5', 'b/8']) expect(existsSync(join(folder, path))).toBe(true);
    // Of those that failed nothing is staged any more, but for what was not theirs.
    await expect.poll(() => readdirSync(join(folder, 'staging'))).toEqual(['3']);
    expect((await replies([last(9, 'a/9')])).get(9)?.failure).toBeUndefined();
  });
});
