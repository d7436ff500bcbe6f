import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { generateThoraxPhantom, type PhantomStudy, type ThoraxPhantomOptions } from '@callosum/phantom';

import type { Callosum } from './callosum.js';
import { asStored, wadoParts } from './dicomweb.js';
import { newFolder } from './paths.js';
import { type Finished, run } from './processes.js';

/** A phantom the reference worker still takes, small enough to be sent and analysed in a second or two. */
export function smallPhantom(options: ThoraxPhantomOptions = {}): PhantomStudy {
  return generateThoraxPhantom({ slices: 64, matrix: 96, ...options }).study;
}

/** Writes the instances as files into a new folder and gives its path. */
export function writeStudy(study: Pick<PhantomStudy, 'instances'>): string {
  const folder = newFolder('study');
  mkdirSync(folder, { recursive: true });
  for (const { fileName, bytes } of study.instances) writeFileSync(join(folder, fileName), bytes);
  return folder;
}

export interface StorescuOptions {
  readonly calledAet?: string;
  readonly callingAet?: string;
}

/** DCMTK's storescu over files and folders. Its exit code is not 0 when the association or a store was refused. */
export function storescu(
  { dimsePort }: Pick<Callosum, 'dimsePort'>,
  paths: readonly string[],
  { calledAet = 'CALLOSUM', callingAet = 'E2E' }: StorescuOptions = {},
): Promise<Finished> {
  const peer = ['-aec', calledAet, '-aet', callingAet, '127.0.0.1', String(dimsePort)];
  return run('storescu', ['-v', '-R', '+sd', '+r', ...peer, ...paths], {
    env: { TCP_NODELAY: '1' },
    timeoutMs: 60_000,
  });
}

/** Sends a study as a modality does: one association. @throws when it was not acknowledged whole */
export async function send(system: Pick<Callosum, 'dimsePort'>, study: Pick<PhantomStudy, 'instances'>): Promise<void> {
  const { code, stdout, stderr } = await storescu(system, [writeStudy(study)]);
  if (code !== 0) throw new Error(`storescu ended with ${code}: ${(stdout + stderr).slice(-2000)}`);
}

interface WadoInstance {
  readonly sopInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly modality: string;
}

/** Every instance of a study as QIDO-RS lists it. */
export async function instancesOf(httpUrl: string, studyInstanceUid: string): Promise<WadoInstance[]> {
  const found: WadoInstance[] = [];
  for (const series of await qido(`${httpUrl}/dicom-web/studies/${studyInstanceUid}/series`)) {
    const seriesInstanceUid = value(series, '0020000E');
    const modality = value(series, '00080060');
    const instances = `${httpUrl}/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances`;
    for (const instance of await qido(instances)) {
      found.push({ sopInstanceUid: value(instance, '00080018'), seriesInstanceUid, modality });
    }
  }
  return found;
}

type DicomJson = Record<string, { readonly Value?: readonly unknown[] }>;

async function qido(url: string): Promise<DicomJson[]> {
  const response = await fetch(`${url}?limit=1000`, { headers: { accept: 'application/dicom+json' } });
  if (response.status === 204) return [];
  if (!response.ok) throw new Error(`GET ${url}: ${response.status}`);
  return (await response.json()) as DicomJson[];
}

const value = (dataset: DicomJson, tag: string): string => String(dataset[tag]?.Value?.[0] ?? '');

/** The PS3.10 file of one instance, by WADO-RS, in the transfer syntax it is kept in where that may leave. */
export async function retrieve(httpUrl: string, studyInstanceUid: string, instance: WadoInstance): Promise<Uint8Array> {
  const path = `studies/${studyInstanceUid}/series/${instance.seriesInstanceUid}/instances/${instance.sopInstanceUid}`;
  const [part] = await wadoParts(httpUrl, path, asStored);
  if (!part) throw new Error(`GET ${path}: no part`);
  return part.bytes;
}
