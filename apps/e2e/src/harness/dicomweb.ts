import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { multipartParts, type Part } from '@callosum/testing';
import { newFolder } from './paths.js';

/** DICOM JSON Model, as a client reads it. */
export type DicomJson = Record<string, { readonly vr: string; readonly Value?: readonly unknown[] } | undefined>;

/** QIDO-RS. 204 is an empty list. @throws for any other status than 200 */
export async function qido(httpUrl: string, path: string): Promise<DicomJson[]> {
  const response = await fetch(`${httpUrl}/dicom-web/${path}`, { headers: { accept: 'application/dicom+json' } });
  if (response.status === 204) return [];
  if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  return (await response.json()) as DicomJson[];
}

/** First value of an attribute by its tag; '' when empty. */
export const textAt = (dataset: DicomJson | undefined, tag: string): string =>
  (dataset?.[tag]?.Value?.[0] ?? '') as string;

/** WADO-RS: the parts of a multipart answer. @throws when it is none */
export async function wadoParts(httpUrl: string, path: string, accept: string): Promise<Part[]> {
  const response = await fetch(`${httpUrl}/dicom-web/${path}`, { headers: { accept } });
  if (response.status !== 200) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  const type = response.headers.get('content-type') ?? '';
  return multipartParts(type, Buffer.from(await response.arrayBuffer()));
}

/** But that what is stored in Implicit VR or Big Endian comes in Explicit VR Little Endian. */
export const asStored = 'multipart/related; type="application/dicom"; transfer-syntax=*';

/** Retrieves a study, series or instance, and writes what came as files into a new folder. */
export async function wadoFolder(httpUrl: string, path: string, accept = asStored): Promise<string> {
  return folderOf((await wadoParts(httpUrl, path, accept)).map(({ bytes }) => bytes));
}

/** Writes the objects as 1, 2, ... into a new folder. */
export function folderOf(objects: readonly Uint8Array[]): string {
  const folder = newFolder('wado');
  mkdirSync(folder, { recursive: true });
  objects.forEach((bytes, i) => writeFileSync(join(folder, String(i + 1)), bytes));
  return folder;
}

/** STOW-RS of the objects in one request. */
export async function stow(
  httpUrl: string,
  objects: readonly Uint8Array[],
  path = 'studies',
): Promise<{ readonly status: number; readonly dataset: DicomJson }> {
  const boundary = 'an-e2e-boundary';
  const head = Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
  const parts = objects.flatMap((bytes) => [head, bytes, Buffer.from('\r\n')]);
  const response = await fetch(`${httpUrl}/dicom-web/${path}`, {
    method: 'POST',
    headers: {
      'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
      accept: 'application/dicom+json',
    },
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  });
  return { status: response.status, dataset: (await response.json()) as DicomJson };
}
