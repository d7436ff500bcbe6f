import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parseFile } from '@callosum/dicom';
import { readPart10 } from '@callosum/dimse';

import type { Callosum } from './callosum.js';
import { asStored, folderOf, wadoParts } from './dicomweb.js';

export const filesOf = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.dcm'))
    .sort()
    .map((name) => join(folder, name));

export interface Uids {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
}

export function uidsOf(bytes: Uint8Array): Uids {
  const { dataset } = parseFile(bytes);
  const uid = (keyword: string): string => dataset.string(keyword) ?? '';
  return { study: uid('StudyInstanceUID'), series: uid('SeriesInstanceUID'), instance: uid('SOPInstanceUID') };
}

export const instancePath = ({ study, series, instance }: Uids): string =>
  `studies/${study}/series/${series}/instances/${instance}`;

/** What the system keeps of these files, asked one by one, as files of a new folder. */
export async function keptOf({ httpUrl }: Pick<Callosum, 'httpUrl'>, files: readonly string[]): Promise<string> {
  const objects: Buffer[] = [];
  for (const file of files) {
    const [part] = await wadoParts(httpUrl, instancePath(uidsOf(readFileSync(file))), asStored);
    if (part) objects.push(part.bytes);
  }
  return folderOf(objects);
}

/**
 * The files that are the first of their SOP Instance UID, and whose transfer syntax is not among `without`; those left out
 * that a sender could only send under a wrong name, since file meta information and dataset differ, or have none.
 */
export async function firstOfEachUid(files: readonly string[], without: ReadonlySet<string>): Promise<string[]> {
  const known = new Set<string>();
  const found: string[] = [];
  for (const file of files) {
    const { sopInstanceUid, transferSyntaxUid } = await readPart10(file);
    const { study, instance } = uidsOf(readFileSync(file));
    if (known.has(sopInstanceUid) || without.has(transferSyntaxUid) || instance !== sopInstanceUid || !study) continue;
    known.add(sopInstanceUid);
    found.push(file);
  }
  return found;
}
