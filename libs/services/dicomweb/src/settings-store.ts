import { wholeNumber } from '@callosum/config';

const mebibyte = 1024 * 1024;

/** STOW-RS (PS3.18 10.5). */
export const storeSettings = {
  CALLOSUM_STOW_REQUESTS_MAX: wholeNumber(1, 1_000)
    .default(128)
    .describe(
      'STOW-RS requests at the same time, half of them at most of one person or client that signed in; one more is answered 503 with Retry-After',
    ),
  CALLOSUM_STOW_REQUEST_BYTES_MAX: wholeNumber(mebibyte, Number.MAX_SAFE_INTEGER)
    .default(64 * 1024 * mebibyte)
    .describe('Largest STOW-RS request; parts are streamed, so this bounds disk, not memory'),
  CALLOSUM_STOW_PART_BYTES_MAX: wholeNumber(mebibyte, Number.MAX_SAFE_INTEGER)
    .default(8 * 1024 * mebibyte)
    .describe('Largest object of a STOW-RS request'),
  CALLOSUM_STOW_PARTS_MAX: wholeNumber(1, 1_000_000)
    .default(100_000)
    .describe('Most parts of one STOW-RS request, and most instances of its metadata'),
  CALLOSUM_STOW_COMMITS_MAX: wholeNumber(1, 64)
    .default(8)
    .describe(
      'Objects of one STOW-RS request that become durable at the same time, while the next are read; eight requests may do so at once, the others go one by one',
    ),
  CALLOSUM_STOW_METADATA_BYTES_MAX: wholeNumber(64 * 1024, 512 * mebibyte)
    .default(64 * mebibyte)
    .describe('Largest part of a STOW-RS request with metadata (application/dicom+json)'),
  CALLOSUM_STOW_HELD_BYTES_MAX: wholeNumber(64 * 1024, 512 * mebibyte)
    .default(64 * mebibyte)
    .describe(
      'Metadata and bulk data of one STOW-RS request that wait in memory for what belongs to them; a value that comes last and says its length is streamed and does not count',
    ),
  CALLOSUM_STOW_MEMORY_BYTES_MAX: wholeNumber(mebibyte, 16 * 1024 * mebibyte)
    .default(128 * mebibyte)
    .describe('The same of all STOW-RS requests together; what needs more fails as out of resources (A700)'),
};
