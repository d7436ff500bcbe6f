import { wholeNumber } from '@callosum/config';
import { z } from 'zod';

/** Ten years of hours. */
const hoursMax = 87_600;
const daysMax = 36_500;

const days = z.record(z.string().regex(/^(\*|[A-Z0-9_ ]{1,16})$/), wholeNumber(1, daysMax));

const hourMs = 3_600_000;

/** @returns null where nothing is ever erased */
export function erasureGraceMs(settings: {
  readonly CALLOSUM_ERASURE_GRACE_HOURS?: number | undefined;
}): number | null {
  const { CALLOSUM_ERASURE_GRACE_HOURS: hours } = settings;
  return hours === undefined ? null : hours * hourMs;
}

/** What is hidden and let go (docs/adr/0073). */
export const tombstoneSettings = {
  CALLOSUM_ERASURE_GRACE_HOURS: wholeNumber(0, hoursMax)
    .optional()
    .describe(
      'Hours after which the bytes of deleted instances, and of those whose retention is over, are erased for good; until then they can be restored. Not set: nothing is ever erased, only hidden',
    ),
  CALLOSUM_REJECTION_AWAITS_DAYS: wholeNumber(1, daysMax)
    .default(90)
    .describe(
      "For so many days it is remembered for whose patient's a rejection note took an instance that has not come; one that comes later stays hidden without being compared. The Patient ID goes earlier with the study",
    ),
  CALLOSUM_RETENTION_DAYS: z
    .string()
    .default('{}')
    .transform((text, context) => {
      try {
        return days.parse(JSON.parse(text));
      } catch {
        context.addIssue({
          code: 'custom',
          message: 'must be a JSON object of modality to days, e.g. {"CT":3650,"*":7300}',
        });
        return z.NEVER;
      }
    })
    .describe(
      'How many days after its last source instance a study is kept: a JSON object of modality to days, "*" for all others; the longest period of its modalities holds, and a study with one that has none is kept. Empty: everything is kept',
    ),
};
