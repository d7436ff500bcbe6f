import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import type { Callosum } from './callosum.js';
import { query } from './database.js';
import type { DicomJson } from './dicomweb.js';

/** A STOW-RS answer: what a client sees of it. */
export interface StowAnswer {
  readonly status: number;
  readonly type: string;
  /** Of application/dicom+json; {} of another. */
  readonly dataset: DicomJson;
  readonly text: string;
  readonly warning: string | null;
  readonly retryAfter: string | null;
}

export const boundary = 'e2e-stow-boundary';
export const multipartType = (type = 'application/dicom'): string =>
  `multipart/related; type="${type}"; boundary=${boundary}`;

/** A part with its headers, ready to be put behind another. */
export function partOf(bytes: Uint8Array | string, headers: Readonly<Record<string, string>> = {}): Buffer {
  const all = { 'Content-Type': 'application/dicom', ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = Buffer.from(`--${boundary}\r\n${lines.join('')}\r\n`);
  return Buffer.concat([head, Buffer.from(bytes as string), Buffer.from('\r\n')]);
}
export const closing = Buffer.from(`--${boundary}--\r\n`);
export const bodyOf = (...parts: readonly Uint8Array[]): Buffer => Buffer.concat([...parts, closing]);

/** @param body bytes, or what makes them while they are sent */
export async function post(
  { httpUrl }: Pick<Callosum, 'httpUrl'>,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  headers: Readonly<Record<string, string>> = {},
  path = 'studies',
): Promise<StowAnswer> {
  const isWhole = body instanceof Uint8Array;
  const response = await fetch(`${httpUrl}/dicom-web/${path}`, {
    method: 'POST',
    headers: { 'content-type': multipartType(), ...headers },
    body: isWhole ? Buffer.from(body) : ReadableStream.from(body),
    ...(isWhole ? {} : { duplex: 'half' }),
  } as RequestInit);
  const [text, type] = [await response.text(), response.headers.get('content-type') ?? ''];
  return {
    status: response.status,
    type,
    dataset: type === 'application/dicom+json' ? (JSON.parse(text) as DicomJson) : {},
    text,
    warning: response.headers.get('warning'),
    retryAfter: response.headers.get('retry-after'),
  };
}

/** SOP Instance UIDs that the answer says are stored. */
export const referencedIn = ({ dataset }: Pick<StowAnswer, 'dataset'>): string[] =>
  (dataset['00081199']?.Value ?? []).map((item) => String((item as DicomJson)['00081155']?.Value?.[0]));

/** Reasons of the answer, of objects that it names and of others. */
export const reasonsIn = ({ dataset }: Pick<StowAnswer, 'dataset'>): string[] =>
  ['00081198', '0008119A']
    .flatMap((tag) => dataset[tag]?.Value ?? [])
    .map((item) => Number((item as DicomJson)['00081197']?.Value?.[0]).toString(16));

/** What the archive holds: rows, files of objects, and files that are being written. */
export interface Holdings {
  readonly rows: number;
  readonly blobs: number;
  readonly staged: number;
}

export async function holdingsOf(system: Pick<Callosum, 'dataDir'>): Promise<Holdings> {
  const objects = join(system.dataDir, 'objects');
  const files = existsSync(objects) ? readdirSync(objects, { recursive: true, withFileTypes: true }) : [];
  const [row] = await query<{ count: string }>(system, 'select count(*) as count from archive.intake');
  // Beside the objects stand marks of revisions and tombstones.
  const filesIn = (folder: string): number =>
    files.filter((entry) => entry.isFile() && entry.parentPath.includes(folder)).length;
  return { rows: Number(row?.count), blobs: filesIn('/blobs/'), staged: filesIn('/.staging') };
}
