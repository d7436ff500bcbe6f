import { port, wholeNumber } from '@callosum/config';
import { scpLimits } from '@callosum/dimse';
import { z } from 'zod';

/** AE titles: 1 to 16 characters of the default repertoire, no backslash, no control characters (PS3.5 section 6.2). */
const aeTitle = /^[\x20-\x5b\x5d-\x7e]{1,16}$/;

export const dimseIngestSettings = z.object({
  CALLOSUM_DIMSE_HOST: z.string().default('127.0.0.1').describe('Address the DIMSE port binds to'),
  CALLOSUM_DIMSE_PORT: port().default(11112).describe('DIMSE port'),
  CALLOSUM_DIMSE_AE: z
    .string()
    .regex(aeTitle)
    .default('CALLOSUM')
    .describe('AE title senders must call; any other is rejected (1/1/7)'),
  CALLOSUM_DIMSE_ASSOCIATIONS_MAX: wholeNumber(1, 1_000)
    .default(scpLimits.associationsMax)
    .describe('Associations at the same time; one more is rejected as transient (2/3/2)'),
  CALLOSUM_DIMSE_IDLE_TIMEOUT_MS: wholeNumber(1_000, 3_600_000)
    .default(scpLimits.idleTimeoutMs)
    .describe('An association whose peer is silent for this long is aborted, in milliseconds'),
});
export type DimseIngestSettings = z.output<typeof dimseIngestSettings>;
