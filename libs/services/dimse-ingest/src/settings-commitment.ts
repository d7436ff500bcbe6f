import { wholeNumber } from '@callosum/config';

/** Storage commitment, see `dimseIngestSettings`. */
export const commitmentSettings = {
  CALLOSUM_COMMITMENT_REFERENCES_MAX: wholeNumber(1, 100_000)
    .default(30_000)
    .describe(
      'Instances of one storage commitment request; one with more is refused (0213). The longest identifier of the DIMSE port has room for about 35,000',
    ),
  CALLOSUM_COMMITMENT_GRACE_MS: wholeNumber(0, 60_000)
    .default(1_000)
    .describe(
      'A storage commitment is reported on the association it was asked for on when that is still open after this time, in milliseconds; else on a new one',
    ),
  CALLOSUM_COMMITMENT_REPORT_HOURS: wholeNumber(1, 24 * 365)
    .default(72)
    .describe(
      'For so many hours a report of a storage commitment is tried again, with pauses that grow to 15 minutes; then it is given up, told as an error and counted',
    ),
  CALLOSUM_COMMITMENT_RETENTION_DAYS: wholeNumber(1, 3_650)
    .default(30)
    .describe(
      'Storage commitment requests whose report was delivered or given up are kept for this many days: the same request is reported again, another under its Transaction UID is refused (0131)',
    ),
};
