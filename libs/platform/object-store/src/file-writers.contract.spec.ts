import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FileWriters } from './file-writers.js';

describe('the threads that write', () => {
  let folder: string;
  let threads: Worker[];
  const started = (thread: Worker): void => void threads.push(thread);
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'callosum-writers-'));
    threads = [];
    process.on('worker', started);
  });
  afterEach(async () => {
    process.off('worker', started);
    await Promise.all(threads.map((thread) => thread.terminate()));
    rmSync(folder, { recursive: true, force: true });
  });

  async function write(writers: FileWriters, name: string): Promise<void> {
    const file = writers.begin(join(folder, `${name}.part`));
    await file.write(Buffer.from(name));
    await file.finish(join(folder, name), folder);
  }
  const names = Array.from({ length: 8 }, (_, i) => `object ${i}`);

  it('all run once they are started, and no further one comes under load', async () => {
    const writers = new FileWriters();
    await writers.start();
    expect(threads).toHaveLength(4);
    await writers.start();
    await Promise.all(names.map((name) => write(writers, name)));
    expect(threads).toHaveLength(4);
    expect(names.map((name) => readFileSync(join(folder, name), 'utf8'))).toEqual(names);
  });

  it('come with what they are needed for where nobody starts them', async () => {
    const writers = new FileWriters();
    await write(writers, 'one');
    await write(writers, 'another');
    expect(threads).toHaveLength(1);
    await Promise.all(names.map((name) => write(writers, name)));
    expect(threads).toHaveLength(4);
  });
});
