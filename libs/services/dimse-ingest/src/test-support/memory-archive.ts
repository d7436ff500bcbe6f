import { setTimeout as sleep } from 'node:timers/promises';

import { CallosumError } from '@callosum/kernel';

import type { InstanceArchive, ObjectBegin, ObjectUids, ObjectWriter, ReleaseAnnouncer } from '../application/ports.js';
import type { imaging } from '@callosum/contracts';

export class NoRoomError extends CallosumError {
  constructor() {
    super('archive.no-space', 'unavailable', 'no space left');
  }
}

/** The archive's port in memory: what was committed, what was aborted, and what is left open. */
export class MemoryArchive implements InstanceArchive {
  readonly committed: { object: ObjectBegin; uids: ObjectUids; bytes: Buffer }[] = [];
  aborted = 0;
  open = 0;
  failing: 'begin' | 'write' | 'commit' | undefined;
  /** How long each write takes. */
  writeMs = 0;
  commitError: Error = new NoRoomError();

  begin(object: ObjectBegin): Promise<ObjectWriter> {
    if (this.failing === 'begin') return Promise.reject(new NoRoomError());
    const chunks: Uint8Array[] = [];
    this.open++;
    return Promise.resolve({
      write: async (bytes) => {
        if (this.failing === 'write') throw new NoRoomError();
        if (this.writeMs > 0) await sleep(this.writeMs);
        chunks.push(bytes);
      },
      commit: (uids) => {
        if (this.failing === 'commit') return Promise.reject(this.commitError);
        this.open--;
        this.committed.push({ object, uids, bytes: Buffer.concat(chunks) });
        return Promise.resolve('stored');
      },
      abort: () => {
        this.open--;
        this.aborted++;
        return Promise.resolve();
      },
    });
  }
}

export class MemoryAnnouncer implements ReleaseAnnouncer {
  readonly announced: imaging.AssociationReleased[] = [];

  announce(released: readonly imaging.AssociationReleased[]): Promise<void> {
    this.announced.push(...released);
    return Promise.resolve();
  }
}
