import { wholeNumber } from '@callosum/config';
import { z } from 'zod';

import { tombstoneSettings } from './settings-tombstones.js';

const dayMs = 86_400_000;

export const studyIndexSettings = z.object({
  ...tombstoneSettings,
  CALLOSUM_QUIET_PERIOD_MS: wholeNumber(0, dayMs)
    .default(10_000)
    .describe('A study is complete when no source instance arrived for this long, in milliseconds'),
  CALLOSUM_RELEASED_QUIET_PERIOD_MS: wholeNumber(0, dayMs)
    .optional()
    .describe(
      'The same after the sender released its association; 1000 or the quiet period, whichever is shorter, when not set',
    ),
  CALLOSUM_PROCEDURE_STEP_HOLD_MS: wholeNumber(0, dayMs)
    .default(600_000)
    .describe(
      'After its quiet period a study waits for this long for its procedure steps (MPPS) in progress to end, in milliseconds: not every modality ends them. 0: not at all',
    ),
  CALLOSUM_STATED_INSTANCES_HOLD_MS: wholeNumber(0, dayMs)
    .default(300_000)
    .describe(
      'After its quiet period a study waits for this long for instances that its procedure steps (MPPS) stated, in milliseconds. 0: not at all',
    ),
});
export type StudyIndexSettings = z.output<typeof studyIndexSettings>;
