import { assertBindAllowed, port, wholeNumber } from '@callosum/config';
import type { Listening } from '@callosum/runtime';
import { z } from 'zod';

import { commitmentSettings } from './settings-commitment.js';
import { forwardingSettings } from './settings-forwarding.js';
import { assertUsersAreRead, certificateFilesOf, peerSettings } from './settings-peers.js';
import { pullSettings } from './settings-pulls.js';
import { querySettings } from './settings-query.js';
import { worklistSettings } from './settings-worklist.js';

export const dimseIngestSettings = z.object({
  CALLOSUM_DIMSE_HOST: z.string().default('127.0.0.1').describe('Address the DIMSE ports bind to'),
  CALLOSUM_DIMSE_PORT: port().default(11112).describe('DIMSE port'),
  ...peerSettings,
  CALLOSUM_PROCEDURE_STEP_RETENTION_DAYS: wholeNumber(1, 3_650)
    .default(90)
    .describe(
      'A procedure step (MPPS) that was not changed for this many days is no longer kept: N-GET and N-SET find none',
    ),
  ...querySettings,
  ...commitmentSettings,
  ...worklistSettings,
  ...forwardingSettings,
  ...pullSettings,
});
export type DimseIngestSettings = z.output<typeof dimseIngestSettings>;

/** The ports of DIMSE that are to be open. */
export function dimsePorts(settings: DimseIngestSettings): Listening[] {
  const { CALLOSUM_DIMSE_HOST: host, CALLOSUM_DIMSE_PORT: plain, CALLOSUM_DIMSE_TLS_PORT: secure } = settings;
  return [
    ...(settings.CALLOSUM_DIMSE_PLAIN ? [{ setting: 'CALLOSUM_DIMSE_PORT', host, port: plain }] : []),
    ...(settings.CALLOSUM_DIMSE_TLS !== 'off' ? [{ setting: 'CALLOSUM_DIMSE_TLS_PORT', host, port: secure }] : []),
  ];
}

/** @throws {UnauthenticatedBindError} @throws {SettingsError} when settings of TLS, or of users, do not fit together */
export function assertDimseBind(settings: DimseIngestSettings): void {
  certificateFilesOf(settings);
  assertUsersAreRead(settings);
  assertBindAllowed('CALLOSUM_DIMSE_HOST', settings.CALLOSUM_DIMSE_HOST, {
    on: settings.CALLOSUM_DIMSE_AES.length > 0,
    needs: 'CALLOSUM_DIMSE_AES, the AEs that may call',
  });
}
