import { open } from 'node:fs/promises';

import { parseHeader } from '@callosum/dicom';
import { generateThoraxPhantom } from '@callosum/phantom';
import { errorMessage, newId } from '@callosum/kernel';

import { filesUnder, type Refused } from './files-under.js';

export interface StudyToSend {
  readonly studyInstanceUid: string;
  readonly files: readonly (string | Uint8Array)[];
  readonly seriesCount: number;
  readonly description: string;
}

/** A header longer than this is no header. */
const headerBytesMax = 16 * 1024 * 1024;

/** The generated phantom: a new study of the same synthetic patient at every call. */
export function phantomStudy(): StudyToSend {
  const { study } = generateThoraxPhantom({ seed: 1, uidSalt: newId() });
  const first = study.instances[0];
  if (!first) throw new Error('the phantom is empty');
  return {
    studyInstanceUid: study.studyInstanceUid,
    files: study.instances.map(({ bytes }) => bytes),
    seriesCount: new Set(study.instances.map(({ seriesInstanceUid }) => seriesInstanceUid)).size,
    description: 'synthetic thorax CT phantom',
  };
}

export interface Folder {
  readonly studies: readonly StudyToSend[];
  /** What is not sent, and why: files that are no DICOM, links that lead nowhere. They are left alone. */
  readonly refused: readonly Refused[];
}

/** Every DICOM file under `folder`, by study; symbolic links are followed. @throws when the folder cannot be read */
export async function readFolder(folder: string): Promise<Folder> {
  const studies = new Map<string, { files: string[]; series: Set<string> }>();
  const { files: found, refused } = await filesUnder(folder);
  for (const path of found) {
    try {
      const { study, series } = await uidsOf(path);
      const entry = studies.get(study) ?? { files: [], series: new Set<string>() };
      entry.files.push(path);
      entry.series.add(series);
      studies.set(study, entry);
    } catch (error) {
      refused.push({ path, reason: errorMessage(error) });
    }
  }
  return {
    refused,
    studies: [...studies].map(([studyInstanceUid, { files, series }]) => ({
      studyInstanceUid,
      files,
      seriesCount: series.size,
      description: folder,
    })),
  };
}

async function uidsOf(path: string): Promise<{ study: string; series: string }> {
  const handle = await open(path);
  try {
    const { size } = await handle.stat();
    for (let length = 16 * 1024; ; length *= 4) {
      const prefix = Buffer.alloc(Math.min(length, size));
      await handle.read(prefix, 0, prefix.length, 0);
      const header = parseHeader(prefix, { complete: prefix.length === size });
      if (header !== 'need-more') {
        const study = header.dataset.string('StudyInstanceUID');
        const series = header.dataset.string('SeriesInstanceUID');
        if (!study || !series) throw new Error('it has no Study or Series Instance UID');
        return { study, series };
      }
      if (length >= Math.min(size, headerBytesMax)) throw new Error('its header does not end');
    }
  } finally {
    await handle.close();
  }
}
