import { DimseStatusError, isStored } from '@callosum/dimse';

import { assertTaken } from '../domain/commitment.js';
import { afterAnswer, type ForwardOutcome } from '../domain/forward-outcome.js';
import { afterPullError, afterRetrieve, type StudyEnd } from '../domain/pull-outcome.js';
import { SubOperations } from '../domain/sub-operations.js';

/** What the node does after a response to a request of its own: asked of the code that does it. */
export interface StatedBehaviour {
  readonly statuses: readonly number[];
  readonly behaviour: string;
}

/** PS3.4 table B.2-1 and PS3.7 annex C, one of each range. */
const storeStatuses = [
  0x0000, 0xb000, 0xb006, 0xb007, 0x0110, 0x0117, 0x0122, 0x0124, 0x0210, 0x0211, 0x0212, 0x0213, 0xa700, 0xa900,
  0xc000,
];
const findStatuses = [0xa700, 0x0213, 0x0110, 0x0122, 0x0124, 0x0210, 0x0211, 0x0212, 0xa900, 0xc000];
const retrieveStatuses = [0xb000, 0xa701, 0xa702, 0xa801, 0xa900, 0xc000, 0xfe00, 0x0110, 0x0122, 0x0124, 0x0211];
const reportStatuses = [
  0x0000, 0x0001, 0x0107, 0x0116, 0xb000, 0x0110, 0x0112, 0x0113, 0x0115, 0x0119, 0x0122, 0x0124, 0x0210, 0x0211,
  0x0213,
];

const forwardWords: Readonly<Record<ForwardOutcome['end'], string>> = {
  sent: 'The destination has it',
  failed: 'It is kept among the failed, for a person',
  later: 'This object is tried again, five times in all with growing pauses; the others go on',
  away: 'The destination is left alone, with pauses that grow to 15 minutes, and offered other objects then; where it takes one, this object fails after five more attempts',
};
const retrieveWords: Readonly<Record<StudyEnd['end'], string>> = {
  completed: 'The study is complete',
  again: 'The study is asked for again, three times in all; then it has failed',
  failed: 'The study has failed',
  later: 'The source is left alone for a while, up to CALLOSUM_PULL_GIVE_UP_HOURS',
  hopeless: 'The pull has failed: the source does not know us',
};

/** What `unlessAll` makes of them. */
const unlessAllWords =
  ', unless it took none of more than sixteen different ones in a row: then it is left alone, as where it has no room';

function forwarded(status: number): string {
  const after = afterAnswer(status, 0);
  return after.end === 'failed' && after.isVague ? forwardWords.failed + unlessAllWords : forwardWords[after.end];
}

function grouped(statuses: readonly number[], behaviourOf: (status: number) => string): StatedBehaviour[] {
  return [...Map.groupBy(statuses, behaviourOf)].map(([behaviour, of]) => ({ statuses: of, behaviour }));
}

function subOperation(status: number): string {
  const operations = new SubOperations(1);
  operations.answered('1.2', { status });
  const { completed, warning } = operations.counts;
  if (completed === 1) return 'Counted as completed';
  return warning === 1
    ? 'Counted as a warning: the destination has it'
    : 'Counted as failed, and in Failed SOP Instance UID List; the others go on';
}

function retrieved(status: number): string {
  const isRefused = status >= 0xa000 && status <= 0xafff;
  const counts = { remaining: 0, completed: isRefused ? 0 : 1, failed: status === 0 || isRefused ? 0 : 1, warning: 0 };
  return retrieveWords[afterRetrieve({ status, counts, failedSopInstanceUids: [] }, 0).end];
}

function found(status: number): string {
  const { again } = afterPullError(new DimseStatusError(status), () => false);
  return again
    ? 'The source is asked again later, up to CALLOSUM_PULL_GIVE_UP_HOURS'
    : 'The pull has failed; its row says the status';
}

function reported(status: number): string {
  try {
    assertTaken(status);
    return 'The report was taken';
  } catch {
    return 'It is reported again, with pauses that grow to 15 minutes, up to CALLOSUM_COMMITMENT_REPORT_HOURS';
  }
}

export const statedBehaviour = {
  echo: grouped([0x0000, 0x0122, 0x0210, 0x0211, 0x0212], (status) =>
    isStored(status) ? 'The test is told as passed' : 'The test is told as failed, with the status',
  ),
  'move-objects': grouped(storeStatuses, subOperation),
  forwarding: grouped(storeStatuses, forwarded),
  find: [
    { statuses: [0xff00, 0xff01], behaviour: 'The study is noted, up to CALLOSUM_PULL_STUDIES_MAX' },
    { statuses: [0x0000], behaviour: 'What was noted is retrieved' },
    ...grouped(findStatuses, found),
  ],
  retrieve: [
    { statuses: [0xff00], behaviour: 'The counts are told, and the source counts as alive' },
    ...grouped([0x0000, ...retrieveStatuses], retrieved),
  ],
  'commitment-report': grouped(reportStatuses, reported),
} satisfies Readonly<Record<string, readonly StatedBehaviour[]>>;
