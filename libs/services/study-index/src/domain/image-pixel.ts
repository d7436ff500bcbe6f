import type { DicomJson } from './instance.js';

/** Attributes of Image Pixel (PS3.3 C.7.6.3) and the number of frames: what to read one frame takes. */
export const imageTags = {
  rows: '00280010',
  columns: '00280011',
  frames: '00280008',
  samples: '00280002',
  allocated: '00280100',
  stored: '00280101',
  representation: '00280103',
  planar: '00280006',
  photometric: '00280004',
} as const;

/** Their first values as the metadata has them, null where there is none; IS may be text (PS3.18 F.2.3). */
export type ImageValues = Readonly<Record<keyof typeof imageTags, unknown>>;

/** Those of an object. */
export const imagePixelOf = (metadata: DicomJson): ImageValues =>
  Object.fromEntries(
    Object.entries(imageTags).map(([name, tag]) => [name, metadata[tag]?.Value?.[0] ?? null]),
  ) as unknown as ImageValues;
