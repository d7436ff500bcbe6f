import { existsSync } from 'node:fs';
import { mkdir, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { parseFile } from '@callosum/dicom';
import { nameUid } from '@callosum/kernel';
import { generateThoraxPhantom, tinyCt } from '@callosum/phantom';

/** Objects on disk, a folder for each association, the same in every run. */
export interface ObjectSet {
  readonly folders: readonly string[];
  readonly count: number;
  /** Each has at least these bytes. */
  readonly bytesEach: number;
  readonly studyInstanceUids: readonly string[];
}

const matrix = 512;
const pixelBytes = matrix * matrix * 2;
/** Drawn once, and repeated where a study has more: what differs are the UIDs and positions. */
const slicesDrawn = 50;
/** Multi-frame Grayscale Word Secondary Capture Image Storage, PS3.3 section A.8.4. */
const multiFrameGrayscaleWord = '1.2.840.10008.5.1.4.1.1.7.3';

/**
 * `count` CT slices of the phantom's chest, 512 × 512 in 16 bits, as one study of one series for each association.
 * @param name another one gives other UIDs
 */
export async function ctObjects(
  dir: string,
  associations: number,
  count: number,
  name: 'ct' | 'warm' = 'ct',
): Promise<ObjectSet> {
  const set = `${name}-${associations}x${count}`;
  const counts = Array.from(
    { length: associations },
    (_, k) => Math.floor(((k + 1) * count) / associations) - Math.floor((k * count) / associations),
  );
  const studyInstanceUids = counts.map((_, k) => nameUid('bench-dimse', set, String(k)));
  await makeOnce(join(dir, set), async (folder) => {
    const slices = drawSlices();
    for (const [k, instances] of counts.entries()) {
      await mkdir(join(folder, String(k)), { recursive: true });
      for (let i = 0; i < instances; i++) {
        const { bytes } = tinyCt({
          StudyInstanceUID: studyInstanceUids[k],
          SeriesInstanceUID: nameUid('bench-dimse', set, String(k), 'series'),
          SOPInstanceUID: nameUid('bench-dimse', set, String(k), String(i)),
          FrameOfReferenceUID: nameUid('bench-dimse', set, String(k), 'frame'),
          PatientID: `BENCH-${associations}-${k}`,
          PatientName: `BENCH^DIMSE ${k}`,
          InstanceNumber: i + 1,
          ImagePositionPatient: [-192, -192, i],
          PixelSpacing: [0.75, 0.75],
          Rows: matrix,
          Columns: matrix,
          PixelData: slices[i % slices.length],
        });
        await writeFile(join(folder, String(k), `${String(i).padStart(5, '0')}.dcm`), bytes);
      }
    }
  });
  const folders = counts.map((_, k) => join(dir, set, String(k)));
  return { folders, count, bytesEach: pixelBytes, studyInstanceUids };
}

function drawSlices(): Uint8Array[] {
  const { study } = generateThoraxPhantom({ matrix, slices: slicesDrawn });
  const axial = study.instances.filter(({ seriesInstanceUid }) => seriesInstanceUid === study.axialSeriesUid);
  return axial.map(({ bytes }) => {
    const pixels = parseFile(bytes).dataset.bytes('PixelData');
    if (pixels?.byteLength !== pixelBytes) throw new Error('a slice of the phantom has other pixels');
    return pixels;
  });
}

/**
 * One native multi-frame object for each association, of `frames` frames of half a mebibyte. Its pixels are zero, and a hole
 * in the file: reading them costs the disk nothing.
 */
export async function largeObjects(dir: string, associations: number, frames: number): Promise<ObjectSet> {
  const set = `large-${associations}x${frames}`;
  const keys = Array.from({ length: associations }, (_, k) => String(k));
  const studyInstanceUids = keys.map((k) => nameUid('bench-dimse', set, k));
  await makeOnce(join(dir, set), async (folder) => {
    for (const [k, key] of keys.entries()) {
      const { bytes } = tinyCt({
        SOPClassUID: multiFrameGrayscaleWord,
        Modality: 'OT',
        ConversionType: 'SYN',
        StudyInstanceUID: studyInstanceUids[k],
        SeriesInstanceUID: nameUid('bench-dimse', set, key, 'series'),
        SOPInstanceUID: nameUid('bench-dimse', set, key, 'instance'),
        PatientID: `BENCH-LARGE-${key}`,
        NumberOfFrames: frames,
        Rows: matrix,
        Columns: matrix,
        PixelData: new Uint8Array(0),
      });
      const head = Buffer.from(bytes);
      // Pixel Data is the last element: the length of its value is what the file ends with.
      head.writeUInt32LE(frames * pixelBytes, head.byteLength - 4);
      await mkdir(join(folder, key), { recursive: true });
      const path = join(folder, key, 'object.dcm');
      await writeFile(path, head);
      await truncate(path, head.byteLength + frames * pixelBytes);
    }
  });
  const folders = keys.map((k) => join(dir, set, k));
  return { folders, count: associations, bytesEach: frames * pixelBytes, studyInstanceUids };
}

/** Frames of an object of at least so many bytes. */
export const framesOf = (bytes: number): number => Math.ceil(bytes / pixelBytes);

/** The folder has its name only when it is whole. */
async function makeOnce(folder: string, fill: (folder: string) => Promise<void>): Promise<void> {
  if (existsSync(folder)) return;
  const staging = `${folder}.new`;
  await rm(staging, { recursive: true, force: true });
  await mkdir(staging, { recursive: true });
  await fill(staging);
  await rename(staging, folder);
}
