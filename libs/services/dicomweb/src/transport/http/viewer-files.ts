import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

import { hasPaths, withBase } from '../../domain/viewer-base.js';

const compress = promisify(gzip);

export interface ViewerFile {
  /** Weak where the file is sent with a content coding and without (RFC 9110 8.8.3.3). */
  readonly etag: string;
  /** gzip of the file with its paths moved; undefined where the file is sent as it lies. */
  readonly compressed: Buffer | undefined;
}

interface Prepared {
  readonly version: string;
  readonly file: Promise<ViewerFile>;
}

/**
 * The viewer's files as they are sent. Moving the paths of a bundle of 17 MB and compressing it takes most of a second:
 * each file is prepared once, when it is first asked for, and again only when it changes. Kept compressed, the whole
 * viewer takes about 20 MB.
 */
export class ViewerFiles {
  readonly #prepared = new Map<string, Prepared>();

  /** @param base path that they are served under, with a slash at both ends */
  constructor(private readonly base: string) {}

  /** @throws when the file cannot be read */
  async prepare(path: string): Promise<ViewerFile> {
    const { mtimeMs, size } = await stat(path);
    const version = `${mtimeMs}-${size}`;
    if (!hasPaths(extname(path))) return { etag: `"${digest(`${path} ${version}`)}"`, compressed: undefined };
    const known = this.#prepared.get(path);
    if (known?.version === version) return known.file;
    const file = moved(path, this.base);
    this.#prepared.set(path, { version, file });
    // A failure is not kept: the next request tries again.
    file.catch(() => this.#prepared.delete(path));
    return file;
  }
}

async function moved(path: string, base: string): Promise<ViewerFile> {
  const bytes = withBase(await readFile(path), extname(path), base);
  return { etag: `W/"${digest(bytes)}"`, compressed: await compress(bytes) };
}

const digest = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex').slice(0, 32);
