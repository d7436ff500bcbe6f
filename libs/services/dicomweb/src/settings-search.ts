import { wholeNumber } from '@callosum/config';

/** QIDO-RS (PS3.18 10.6). */
export const searchSettings = {
  CALLOSUM_QIDO_LIMIT_MAX: wholeNumber(1, 10_000).default(1_000).describe('Most results of one QIDO-RS answer'),
  CALLOSUM_QIDO_REQUESTS_MAX: wholeNumber(1, 10_000)
    .default(256)
    .describe(
      'QIDO-RS requests at the same time, half of them at most of one person or client that signed in; one more is answered 503 with Retry-After',
    ),
};
