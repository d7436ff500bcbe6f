import { assertBindAllowed, port, wholeNumber } from '@callosum/config';
import { scpLimits } from '@callosum/dimse';
import { z } from 'zod';

import { isHost } from './adapters/network-addresses.js';
import { forwardingSettings } from './settings-forwarding.js';
import { pullSettings } from './settings-pulls.js';

/** AE titles: 1 to 16 characters of the default repertoire, no backslash, no control characters (PS3.5 section 6.2). */
const aeTitle = /^[\x20-\x5b\x5d-\x7e]{1,16}$/;

/** One AE of CALLOSUM_DIMSE_AES. Other members are for whoever calls it. */
const knownAe = z.looseObject({
  aet: z.string().regex(aeTitle),
  host: z.string().refine(isHost),
  port: wholeNumber(1, 65_535).optional(),
  retrieve: z.enum(['move', 'get']).optional(),
});

export const dimseIngestSettings = z.object({
  CALLOSUM_DIMSE_HOST: z.string().default('127.0.0.1').describe('Address the DIMSE port binds to'),
  CALLOSUM_DIMSE_PORT: port().default(11112).describe('DIMSE port'),
  CALLOSUM_DIMSE_AE: z
    .string()
    .regex(aeTitle)
    .default('CALLOSUM')
    .describe('AE title senders must call; any other is rejected (1/1/7)'),
  CALLOSUM_DIMSE_AES: z
    .string()
    .default('[]')
    .transform((text, context) => {
      try {
        return z.array(knownAe).max(10_000).parse(JSON.parse(text));
      } catch {
        context.addIssue({
          code: 'custom',
          message: 'must be a JSON array of AEs, e.g. [{"aet":"CT1","host":"10.1.2.0/24","port":104}]',
        });
        return z.NEVER;
      }
    })
    .describe(
      'AEs that may send: a JSON array of {aet, host, port}; host is an address, a network (CIDR) or a DNS name, and the AE may call from nowhere else; others are rejected (1/1/3). Empty lets every AE in, on loopback only',
    ),
  CALLOSUM_DIMSE_ASSOCIATIONS_MAX: wholeNumber(1, 1_000)
    .default(scpLimits.associationsMax)
    .describe('Associations at the same time; one more is rejected as transient (2/3/2)'),
  CALLOSUM_DIMSE_IDLE_TIMEOUT_MS: wholeNumber(1_000, 3_600_000)
    .default(scpLimits.idleTimeoutMs)
    .describe('An association whose peer is silent for this long is aborted, in milliseconds'),
  CALLOSUM_PROCEDURE_STEP_RETENTION_DAYS: wholeNumber(1, 3_650)
    .default(90)
    .describe(
      'A procedure step (MPPS) that was not changed for this many days is no longer kept: N-GET and N-SET find none',
    ),
  ...forwardingSettings,
  ...pullSettings,
});
export type DimseIngestSettings = z.output<typeof dimseIngestSettings>;

/** @throws {UnauthenticatedBindError} */
export function assertDimseBind(settings: DimseIngestSettings): void {
  assertBindAllowed('CALLOSUM_DIMSE_HOST', settings.CALLOSUM_DIMSE_HOST, {
    on: settings.CALLOSUM_DIMSE_AES.length > 0,
    needs: 'CALLOSUM_DIMSE_AES, the AEs that may call',
  });
}
