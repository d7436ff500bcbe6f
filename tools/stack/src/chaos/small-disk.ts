import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const bytesMax = 512 * 1024 * 1024;

/** A file system of its own for the object store, so that it can be filled without filling the machine's. */
export class SmallDisk {
  private constructor(readonly dir: string) {}

  /** @returns undefined where no file system may be mounted: as root only */
  static mount(): SmallDisk | undefined {
    const dir = mkdtempSync(join(tmpdir(), 'callosum-disk-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytesMax}`, 'tmpfs', dir], { stdio: 'ignore' });
      return new SmallDisk(dir);
    } catch {
      rmSync(dir, { recursive: true, force: true });
      return undefined;
    }
  }

  /** Leaves no block free. */
  fill(): void {
    const { bavail, bsize } = statfsSync(this.dir);
    try {
      writeFileSync(this.#filler, Buffer.alloc(bavail * bsize));
    } catch (error) {
      // Somebody else took the last block: full is full.
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }

  free(): void {
    rmSync(this.#filler, { force: true });
  }

  unmount(): void {
    execFileSync('umount', [this.dir], { stdio: 'ignore' });
    rmSync(this.dir, { recursive: true, force: true });
  }

  get #filler(): string {
    return join(this.dir, 'filler');
  }
}
