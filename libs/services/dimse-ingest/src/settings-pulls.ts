import { wholeNumber } from '@callosum/config';

export const pullSettings = {
  CALLOSUM_PULLS_MAX: wholeNumber(1, 50)
    .default(4)
    .describe('Pulls a replica works on at the same time, each at another source'),
  CALLOSUM_PULL_STUDIES_MAX: wholeNumber(1, 10_000)
    .default(200)
    .describe('Studies one pull may bring; one that finds more at its source brings none'),
  CALLOSUM_PULL_RESPONSE_TIMEOUT_MS: wholeNumber(1_000, 86_400_000)
    .default(600_000)
    .describe('A source of pulls that says nothing for this long counts as gone, in milliseconds'),
  CALLOSUM_PULL_SEARCH_TIMEOUT_MS: wholeNumber(1_000, 3_600_000)
    .default(60_000)
    .describe(
      'A source that says nothing to the search (C-FIND) of a pull for this long counts as hung, in milliseconds',
    ),
  CALLOSUM_PULL_GIVE_UP_HOURS: wholeNumber(1, 720)
    .default(24)
    .describe('A pull whose source is away is tried for this long, in hours'),
  CALLOSUM_PULL_SELECTOR_DAYS: wholeNumber(1, 365)
    .default(7)
    .describe('What a pull asked for (Patient ID, accession number) is erased so many days after its end'),
  CALLOSUM_PULL_RETENTION_DAYS: wholeNumber(1, 3_650)
    .default(90)
    .describe('A pull that ended is remembered for this many days, with its counts'),
} as const;
