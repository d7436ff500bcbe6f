// Runs in its own thread. It imports Node's modules only, so that Node can also run it as TypeScript in tests.
import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

/** The next bytes of an object; with `finish` its last ones. */
export interface WriteOrder {
  readonly id: number;
  readonly staging: string;
  /** Not touched by whoever asks before the reply. */
  readonly bytes: Uint8Array;
  /** Once it is known: from which byte of the object on the second digest counts. */
  readonly tailFrom?: number;
  /** What the object is called once it is durable, and the folder that is in. */
  readonly finish?: { readonly path: string; readonly folder: string };
}

/** Nothing is to be left of an object. */
export interface AbortOrder {
  readonly id: number;
  readonly abort: true;
}

export type WriterOrder = WriteOrder | AbortOrder;

export interface WriterReply {
  readonly id: number;
  /** Of a finished object. */
  readonly sha256?: string;
  /** Of one whose `tailFrom` was told. */
  readonly tailSha256?: string;
  /** Of a failure, after which nothing of the object is left. */
  readonly failure?: { readonly code: string | undefined; readonly message: string };
}

interface OpenFile {
  readonly fd: number;
  readonly staging: string;
  readonly hash: Hash;
  /** Begun with the order that tells where it counts from. */
  tailHash?: Hash;
  /** Bytes before those of the order at hand. */
  position: number;
}

const ownerOnly = 0o600;
const files = new Map<number, OpenFile>();
const tell = (reply: WriterReply): void => parentPort?.postMessage(reply);

parentPort?.on('message', (order: WriterOrder) => {
  try {
    if ('abort' in order) {
      discard(order.id);
      tell({ id: order.id });
    } else write(order);
  } catch (error) {
    discard(order.id);
    const { code, message } = error as NodeJS.ErrnoException;
    tell({ id: order.id, failure: { code, message } });
  }
});

/** Flushed before it has its name, and the name is flushed before anybody is told. */
function write({ id, staging, bytes, tailFrom, finish }: WriteOrder): void {
  const file = files.get(id) ?? open(id, staging);
  file.hash.update(bytes);
  if (tailFrom !== undefined) {
    file.tailHash ??= createHash('sha256');
    file.tailHash.update(bytes.subarray(Math.max(0, tailFrom - file.position)));
  }
  file.position += bytes.byteLength;
  for (let written = 0; written < bytes.byteLength;) written += writeSync(file.fd, bytes, written);
  if (!finish) return tell({ id });
  fsyncSync(file.fd);
  linkSync(staging, finish.path);
  syncFolder(finish.folder);
  const tail = file.tailHash && { tailSha256: file.tailHash.digest('hex') };
  tell({ id, sha256: file.hash.digest('hex'), ...tail });
  discard(id);
}

function open(id: number, staging: string): OpenFile {
  const file: OpenFile = {
    fd: openSync(staging, 'wx', ownerOnly),
    staging,
    hash: createHash('sha256'),
    position: 0,
  };
  files.set(id, file);
  return file;
}

/** Takes the staged name away: the object has its own by now, or there is none. What a crash leaves is swept. */
function discard(id: number): void {
  const file = files.get(id);
  files.delete(id);
  if (!file) return;
  try {
    closeSync(file.fd);
  } catch {
    // It was flushed, or nobody wants it.
  }
  try {
    unlinkSync(file.staging);
  } catch {
    // Its folder may be gone.
  }
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
