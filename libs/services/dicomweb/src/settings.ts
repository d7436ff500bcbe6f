import { wholeNumber } from '@callosum/config';
import { z } from 'zod';

const mebibyte = 1024 * 1024;

export const dicomwebSettings = z.object({
  CALLOSUM_VIEWER_DIR: z
    .string()
    .default('.tools/ohif-3.13.2')
    .describe('Folder of the built OHIF viewer served at /viewer; without it /viewer answers 503'),
  CALLOSUM_STOW_REQUESTS_MAX: wholeNumber(1, 1_000)
    .default(128)
    .describe('STOW-RS requests at the same time; one more is answered 503 with Retry-After'),
  CALLOSUM_STOW_REQUEST_BYTES_MAX: wholeNumber(mebibyte, Number.MAX_SAFE_INTEGER)
    .default(64 * 1024 * mebibyte)
    .describe('Largest STOW-RS request; parts are streamed, so this bounds disk, not memory'),
  CALLOSUM_STOW_PART_BYTES_MAX: wholeNumber(mebibyte, Number.MAX_SAFE_INTEGER)
    .default(8 * 1024 * mebibyte)
    .describe('Largest object of a STOW-RS request'),
  CALLOSUM_STOW_PARTS_MAX: wholeNumber(1, 1_000_000).default(100_000).describe('Most objects of one STOW-RS request'),
  CALLOSUM_WADO_REQUESTS_MAX: wholeNumber(1, 10_000)
    .default(256)
    .describe('WADO-RS requests at the same time; one more is answered 503 with Retry-After'),
  CALLOSUM_WADO_BYTES_MAX: wholeNumber(16 * mebibyte, Number.MAX_SAFE_INTEGER)
    .default(384 * mebibyte)
    .describe(
      'Memory for all WADO-RS requests of a process for objects of which frames or bulk data cannot be streamed (big-endian ones, those the index does not know yet): they take twice their size, deflated ones what they may inflate to; requests wait for it, and what needs more at once is refused',
    ),
  CALLOSUM_INDEX_WAIT_MS: wholeNumber(0, 60_000)
    .default(2_000)
    .describe(
      'How long a read waits for the index to know what is already stored, before it reads the blobs themselves',
    ),
  CALLOSUM_QIDO_LIMIT_MAX: wholeNumber(1, 10_000).default(1_000).describe('Most results of one QIDO-RS answer'),
});
export type DicomwebSettings = z.output<typeof dicomwebSettings>;
