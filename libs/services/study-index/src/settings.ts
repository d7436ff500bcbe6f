import { wholeNumber } from '@callosum/config';
import { z } from 'zod';

const dayMs = 86_400_000;

export const studyIndexSettings = z.object({
  CALLOSUM_QUIET_PERIOD_MS: wholeNumber(0, dayMs)
    .default(10_000)
    .describe('A study is complete when no source instance arrived for this long, in milliseconds'),
  CALLOSUM_RELEASED_QUIET_PERIOD_MS: wholeNumber(0, dayMs)
    .optional()
    .describe(
      'The same after the sender released its association; 1000 or the quiet period, whichever is shorter, when not set',
    ),
});
export type StudyIndexSettings = z.output<typeof studyIndexSettings>;
