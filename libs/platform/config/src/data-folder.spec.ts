import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { assertDataFolderFree, DataFolderInUseError, DataFolderUnusableError, lockDataFolder } from './index.js';

describe('the lock on the data folder', () => {
  const folder = () => mkdtempSync(join(tmpdir(), 'callosum-lock-'));

  it('is given back', () => {
    const dir = folder();
    lockDataFolder(dir)();
    lockDataFolder(dir)();
  });

  it('refuses while its holder lives, and is taken over when the holder was killed', async () => {
    const dir = folder();
    const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(holder, 'spawn');
    const { readFileSync } = await import('node:fs');
    const started = readFileSync(`/proc/${holder.pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[19] ?? '';
    writeFileSync(join(dir, 'callosum.lock'), `${holder.pid} ${started}`);
    expect(() => lockDataFolder(dir)).toThrow(DataFolderInUseError);
    expect(() => assertDataFolderFree(dir)).toThrow(`${dir} is in use by process ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'exit');
    assertDataFolderFree(dir);
    lockDataFolder(dir)();
    assertDataFolderFree(dir);
  });

  it('takes over a lock without a name, which a power cut can leave', () => {
    const dir = folder();
    writeFileSync(join(dir, 'callosum.lock'), '');
    lockDataFolder(dir)();
  });

  it('does not take a reused pid for the old holder', () => {
    const dir = folder();
    writeFileSync(join(dir, 'callosum.lock'), `${process.ppid} 1`);
    lockDataFolder(dir)();
  });
});

describe('the data folder', () => {
  it('is made with its parents, and is listed by its owner only', () => {
    const dir = join(mkdtempSync(join(tmpdir(), 'callosum-folder-')), 'a', 'b');
    lockDataFolder(dir)();
    expect(statSync(dir).mode & 0o777).toBe(0o711);
  });

  it.each(['/proc/callosum', '/dev/null/callosum', '/dev/null'])('that cannot be made (%s) is a clear error', (dir) => {
    expect(() => lockDataFolder(dir)).toThrow(DataFolderUnusableError);
    expect(() => lockDataFolder(dir)).toThrow(/CALLOSUM_DATA_DIR/);
  });
});
