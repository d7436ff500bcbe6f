import { wholeNumber } from '@callosum/config';

/** C-FIND, C-MOVE and C-GET. There is no limit of matches: they are streamed. */
export const querySettings = {
  CALLOSUM_DIMSE_RETRIEVES_MAX: wholeNumber(1, 1_000)
    .default(32)
    .describe(
      'C-MOVE and C-GET requests at the same time; one more is answered A702, and so is what one calling AE asks for while it has half of them. Each may hold 8 MiB of a transcoded object',
    ),
  CALLOSUM_DIMSE_RETRIEVE_INSTANCES_MAX: wholeNumber(1, 10_000_000)
    .default(100_000)
    .describe(
      'Instances of one C-MOVE or C-GET; one that finds more is answered A701, and nothing is sent. Each takes some 300 bytes of memory until the retrieve has ended',
    ),
  CALLOSUM_DIMSE_TRANSCODINGS_MAX: wholeNumber(1, 64)
    .default(4)
    .describe(
      'Objects that are transcoded at the same time for C-MOVE and C-GET, since their peer does not take the stored transfer syntax; others wait. Each may hold 64 MiB of frames',
    ),
  CALLOSUM_DIMSE_SUBOPERATION_TIMEOUT_MS: wholeNumber(1_000, 3_600_000)
    .default(120_000)
    .describe('A destination of a C-MOVE that takes or answers nothing for this long is given up, in milliseconds'),
};
