import { wholeNumber } from '@callosum/config';

const mebibyte = 1024 * 1024;

/** WADO-RS (PS3.18 10.4). */
export const retrieveSettings = {
  CALLOSUM_WADO_REQUESTS_MAX: wholeNumber(1, 10_000)
    .default(256)
    .describe(
      'Retrieves at the same time, half of them at most of pictures (rendered resources, thumbnails, WADO-URI), and half of all and of pictures of one person or client that signed in; one more is answered 503 with Retry-After',
    ),
  CALLOSUM_WADO_BYTES_MAX: wholeNumber(16 * mebibyte, Number.MAX_SAFE_INTEGER)
    .default(384 * mebibyte)
    .describe(
      'Memory for all WADO-RS requests of a process: headers longer than 16 KiB while they are read (16 times their object, 256 MiB at most), frames that are transcoded (about four times a frame; of an instance that is transcoded as a whole up to 32 MiB of frames, and two more), long values of headers, long metadata as XML; what leaves as it is stored takes none. Half as much is beside it for those that take up to 16 MiB, which do not wait for larger ones. One person or client that signed in has half of either at most, or one that takes more. Requests wait for it, and one that needs more takes all of it',
    ),
  CALLOSUM_INDEX_WAIT_MS: wholeNumber(0, 60_000)
    .default(2_000)
    .describe(
      'How long a read waits for the index to know what is already stored, before it reads the blobs themselves',
    ),
};
