import { wholeNumber } from '@callosum/config';

const mebibyte = 1024 * 1024;

/** Rendered resources and thumbnails (PS3.18 10.4.1.1.3, 10.4.1.1.4), WADO-URI (9). */
export const renderingSettings = {
  CALLOSUM_RENDERED_BYTES_MAX: wholeNumber(16 * mebibyte, Number.MAX_SAFE_INTEGER)
    .default(384 * mebibyte)
    .describe(
      'Memory for all frames of a process while they are rendered; requests wait for it, and a frame that needs more is refused. A mammogram of 20 million pixels takes some 150 MiB, a colour photograph of 24 million some 350',
    ),
  CALLOSUM_RENDERED_PARTS_MAX: wholeNumber(1, 100_000)
    .default(1_000)
    .describe('Most pictures of one answer: of the frames of an instance, or the instances of a study or series'),
  CALLOSUM_THUMBNAIL_PIXELS: wholeNumber(16, 2_048)
    .default(256)
    .describe('Side of the square that a thumbnail fits into, where the request has no viewport'),
};
