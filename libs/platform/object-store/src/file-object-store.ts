import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { mkdir, open, readdir, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';

import {
  InvalidKeyError,
  ObjectExistsError,
  ObjectNotFoundError,
  ObjectStoreFullError,
  ObjectStoreUnavailableError,
} from './errors.js';
import { FileBody } from './file-body.js';
import { fileWriters } from './file-writers.js';
import { handedOut } from './handed-out.js';
import { assertKey } from './key.js';
import type { ByteRange, ObjectInfo, ObjectStore, StoredObject, TailFrom } from './object-store.js';

export interface FileObjectStoreOptions {
  readonly root: string;
  /** Below this much free space `put` refuses; reads go on. */
  readonly diskFreeBytesMin: number;
}

/** Beside the objects, on the same file system; never listed. */
const stagingFolder = '.staging';
/** Objects are patients' images: nobody else on the machine reads them. */
const ownerOnlyFolder = 0o700;
/** How old the answer of statfs may be: a disk does not lose a gibibyte faster. */
const freeSpaceMaxAgeMs = 1_000;

/**
 * Objects as files. An object is written under a temporary name, flushed, linked to its name (which fails when the
 * name is taken) and its folder is flushed: after a power cut it is whole or not there.
 */
export class FileObjectStore implements ObjectStore {
  readonly #root: string;
  readonly #diskFreeBytesMin: number;
  readonly #durableFolders = new Set<string>();
  #freeChecked = { at: 0, bytes: Infinity };

  constructor(options: FileObjectStoreOptions) {
    this.#root = resolve(options.root);
    this.#diskFreeBytesMin = options.diskFreeBytesMin;
  }

  async put(key: string, source: AsyncIterable<Uint8Array>, tailFrom?: TailFrom): Promise<StoredObject> {
    const path = this.#path(key);
    try {
      await this.#refuseWhenFull();
      await this.#makeFolder(dirname(path));
      return await this.#write(key, path, source, tailFrom);
    } catch (error) {
      // A folder that is not there any more: the disk was taken away, and nothing on it is known to be durable.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        this.#durableFolders.clear();
        throw new ObjectStoreUnavailableError('the folder of the objects is gone', { cause: error });
      }
      throw translate(error, key);
    }
  }

  async get(key: string, range?: ByteRange, signal?: AbortSignal): Promise<Readable> {
    const path = this.#path(key);
    signal?.throwIfAborted();
    try {
      const handle = await open(path, 'r');
      if (range?.length === 0) {
        await handle.close();
        return Readable.from([]);
      }
      const start = range?.offset ?? 0;
      const end = range?.length === undefined ? Infinity : start + range.length;
      return handedOut(new FileBody(handle, { start, end }), signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw translate(error, key);
    }
  }

  async head(key: string): Promise<ObjectInfo> {
    try {
      const { size, mtime } = await stat(this.#path(key));
      return { key, byteCount: size, modifiedAt: mtime };
    } catch (error) {
      throw translate(error, key);
    }
  }

  async delete(key: string): Promise<void> {
    await rm(this.#path(key), { force: true }).catch((error: unknown) => {
      throw translate(error, key);
    });
  }

  async *list(prefix: string, after = ''): AsyncIterable<ObjectInfo> {
    const folder = join(this.#root, prefix.slice(0, prefix.lastIndexOf('/') + 1));
    if (folder !== this.#root && !folder.startsWith(this.#root + sep)) throw new InvalidKeyError();
    yield* this.#walk(folder, prefix, after);
  }

  /** A staged file has no key yet: all of the store's are looked at. One that is being written has a recent time. */
  async sweepUnfinished(_prefix: string, before: Date, signal?: AbortSignal): Promise<number> {
    const folder = join(this.#root, stagingFolder);
    const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw translate(error, stagingFolder);
    });
    let removed = 0;
    for (const name of names) {
      signal?.throwIfAborted();
      const path = join(folder, name);
      const info = await stat(path).catch(() => undefined);
      if (!info || info.mtime >= before) continue;
      await rm(path, { force: true }).catch((error: unknown) => {
        throw translate(error, stagingFolder);
      });
      removed++;
    }
    return removed;
  }

  async ping(): Promise<void> {
    await mkdir(this.#root, { recursive: true, mode: ownerOnlyFolder });
    await this.#refuseWhenFull();
  }

  #path(key: string): string {
    assertKey(key);
    return join(this.#root, ...key.split('/'));
  }

  async #write(
    key: string,
    path: string,
    source: AsyncIterable<Uint8Array>,
    tailFrom: TailFrom | undefined,
  ): Promise<StoredObject> {
    const file = fileWriters.begin(join(this.#root, stagingFolder, randomUUID()), tailFrom);
    try {
      for await (const chunk of source) await file.write(chunk);
      const digests = await file.finish(path, dirname(path));
      return { key, byteCount: file.byteCount, ...digests };
    } catch (error) {
      await file.abort();
      throw error;
    }
  }

  /** New folders are durable before anything in them is: each parent is flushed after its child was made. */
  async #makeFolder(folder: string): Promise<void> {
    if (this.#durableFolders.has(folder)) return;
    await mkdir(join(this.#root, stagingFolder), { recursive: true, mode: ownerOnlyFolder });
    await mkdir(folder, { recursive: true, mode: ownerOnlyFolder });
    // What lies above one that is durable is durable.
    for (let current = folder; !this.#durableFolders.has(current); current = dirname(current)) {
      await syncFolder(dirname(current));
      if (current === this.#root) break;
    }
    for (let current = folder; current !== this.#root; current = dirname(current)) this.#durableFolders.add(current);
  }

  async freeBytes(): Promise<number> {
    await mkdir(this.#root, { recursive: true, mode: ownerOnlyFolder });
    const { bavail, bsize } = await statfs(this.#root);
    return bavail * bsize;
  }

  async #refuseWhenFull(): Promise<void> {
    if (Date.now() - this.#freeChecked.at > freeSpaceMaxAgeMs) {
      this.#freeChecked = { at: Date.now(), bytes: await this.freeBytes() };
    }
    if (this.#freeChecked.bytes < this.#diskFreeBytesMin) {
      throw new ObjectStoreFullError();
    }
  }

  async *#walk(folder: string, prefix: string, after: string): AsyncIterable<ObjectInfo> {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw translate(error, prefix);
    });
    // As the keys sort: "a.b" comes before "a/b".
    const sortName = (entry: Dirent): string => (entry.isDirectory() ? `${entry.name}/` : entry.name);
    entries.sort((a, b) => (sortName(a) < sortName(b) ? -1 : 1));
    for (const entry of entries) {
      const path = join(folder, entry.name);
      const key = relative(this.#root, path).split(sep).join('/');
      if (entry.name === stagingFolder && folder === this.#root) continue;
      if (entry.isDirectory()) {
        const isBefore = `${key}/` < after && !after.startsWith(`${key}/`);
        if (!isBefore && (key.startsWith(prefix) || prefix.startsWith(`${key}/`)))
          yield* this.#walk(path, prefix, after);
      } else if (key.startsWith(prefix) && key > after) {
        const info = await stat(path).catch(() => undefined);
        if (info) yield { key, byteCount: info.size, modifiedAt: info.mtime };
      }
    }
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const resourceCodes = new Set(['ENOSPC', 'EDQUOT', 'EIO', 'EROFS', 'EMFILE', 'ENFILE', 'EACCES', 'EPERM']);

/** File system errors in the port's terms; errors of the source pass as they are. */
function translate(error: unknown, key: string): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (code === 'EEXIST') return new ObjectExistsError(key);
  if (code === 'ENOENT') return new ObjectNotFoundError(key);
  if (typeof code === 'string' && resourceCodes.has(code))
    return new ObjectStoreUnavailableError(code, { cause: error });
  return error;
}
