import type { operations } from '@callosum/contracts';

/** What a study waits for, and since when. */
export interface Wait {
  /** Stable, for scripts. */
  readonly code:
    | 'index'
    | 'quiet-period'
    | 'procedure-step'
    | 'stated-instances'
    | 'identity-decision'
    | 'identity-change'
    | 'person-identity'
    | 'routing'
    | 'worker'
    | 'next-attempt'
    | 'result'
    | 'publication'
    | 'person-publication'
    | 'person-job'
    | 'person-parked'
    | 'parked-retry'
    | 'event-log';
  /** One line, without patient data. */
  readonly what: string;
  /** RFC 3339; absent where no service knows. */
  readonly since?: string;
}

/** The answers of every service that was asked and answered. */
export type Answers = readonly operations.GetStudyStatusResponse[];

/** Whether any service holds anything of the study. */
export const isKnown = (answers: Answers): boolean =>
  answers.some(
    ({ intake, completeness, identity, inference, publications, parked, outbox }) =>
      intake ?? completeness ?? identity ?? inference ?? publications[0] ?? parked[0] ?? outbox[0],
  );

/**
 * What the study waits for: what a person must do first, then in the order of its way. Only what was answered counts: a
 * service that does not answer is never taken for one that knows nothing.
 */
export function waitsOf(answers: Answers): Wait[] {
  const of = (service: string) => answers.find((answer) => answer.service === service);
  const waits = [
    ...parkedWaits(answers),
    ...indexWaits(of('study-index')),
    ...identityWaits(of('identity-mapping'), of('study-index')),
    ...jobWaits(of('inference-orchestrator'), of('study-index')),
    ...publicationWaits(of('result-publisher')),
    ...backlogs(answers).map(({ schema, rows, oldestAt }) =>
      wait('event-log', `${facts(rows)} in the outbox of ${schema} to be published`, oldestAt),
    ),
  ];
  return waits.sort((a, b) => Number(b.code.startsWith('person')) - Number(a.code.startsWith('person')));
}

/** Outboxes with facts of the study; one that several services share counts once. */
export function backlogs(answers: Answers): operations.OutboxBacklog[] {
  return [...new Map(answers.flatMap(({ outbox }) => outbox).map((one) => [one.schema, one])).values()];
}

export const facts = (count: number): string => `${count} fact${count === 1 ? '' : 's'}`;

/** Instances that a line names. */
const namedMax = 5;

type Answer = operations.GetStudyStatusResponse | undefined;

const wait = (code: Wait['code'], what: string, since?: string): Wait => ({ code, what, ...(since ? { since } : {}) });

function parkedWaits(answers: Answers): Wait[] {
  return answers.flatMap(({ service, parked }) =>
    parked.map(({ topic, items, errorCode, parkedAt, nextAttemptAt }) => {
      const what = `${facts(items)} of ${topic} (${service}, ${errorCode})`;
      return nextAttemptAt
        ? wait('parked-retry', `the next attempt at ${what}, at ${nextAttemptAt}`, parkedAt)
        : wait('person-parked', `a person to mend and replay ${what}`, parkedAt);
    }),
  );
}

function indexWaits(answer: Answer): Wait[] {
  if (!answer) return [];
  const { intake, completeness } = answer;
  const behind = unindexedWaits(intake, completeness);
  if (completeness?.state !== 'receiving') return behind;
  const { quietUntil, waitingSince } = completeness;
  // Its quiet period is over: what it waits for are the instances.
  if (waitingSince && behind.length > 0) return behind;
  if (waitingSince)
    return [
      wait('quiet-period', `the next look whether it is whole${quietUntil ? `, at ${quietUntil}` : ''}`, waitingSince),
    ];
  if (completeness.heldSince) return [...behind, ...heldWaits(completeness)];
  const until = quietUntil ? `, until ${quietUntil}` : '';
  return [...behind, wait('quiet-period', `the end of the study's quiet period${until}`, intake?.lastStoredAt)];
}

/** What a study waits for whose quiet period is over: the word of its modalities, for a limited time. */
function heldWaits({ procedureSteps, statedMissing, heldSince }: operations.StudyCompleteness): Wait[] {
  const open = procedureSteps.filter(({ status }) => status === 'in-progress');
  const instances = `${statedMissing} instance${statedMissing === 1 ? '' : 's'}`;
  return [
    ...open.map(({ procedureStepUid }) =>
      wait('procedure-step', `its modality to end procedure step ${procedureStepUid}`, heldSince),
    ),
    ...(statedMissing > 0
      ? [wait('stated-instances', `${instances} that its procedure steps stated, to be sent`, heldSince)]
      : []),
  ];
}

/** The instances by name, a correction of one that is indexed among them; in numbers what no name is told of. */
function unindexedWaits(
  intake: operations.StudyIntake | undefined,
  completeness: operations.StudyCompleteness | undefined,
): Wait[] {
  const unindexed = intake?.unindexed ?? [];
  const missing = Math.max(
    (intake?.instances ?? 0) - (completeness?.instances ?? 0),
    intake?.unindexedTotal ?? 0,
    unindexed.length,
  );
  if (missing <= 0) return [];
  const named = unindexed.slice(0, namedMax).map(({ sopInstanceUid, revision }) => {
    return revision > 1 ? `${sopInstanceUid} (correction, revision ${revision})` : sopInstanceUid;
  });
  const more = missing > named.length ? [`${missing - named.length} more`] : [];
  const names = named.length > 0 ? `: ${[...named, ...more].join(', ')}` : '';
  const what = `study-index to take up ${missing} stored instance${missing === 1 ? '' : 's'}${names}`;
  return [wait('index', what, unindexed[0]?.storedAt ?? intake?.lastStoredAt)];
}

function identityWaits(answer: Answer, index: Answer): Wait[] {
  if (!answer) return [];
  const { identity, observedAt = '' } = answer;
  if (!identity) {
    return index?.completeness
      ? [wait('identity-decision', 'identity-mapping to decide whose it is', index.intake?.firstStoredAt)]
      : [];
  }
  const changing = identity.changingUntil && Date.parse(identity.changingUntil) > Date.parse(observedAt);
  if (changing) return [wait('identity-change', `a change of its identity under way, until ${identity.changingUntil}`)];
  // What a person rejected waits for nobody: it stays out of the record.
  if (identity.state !== 'quarantined' || identity.reasons.includes('rejected-by-person')) return [];
  const reasons = identity.reasons.join(', ');
  return [wait('person-identity', `a person to decide whose it is (${reasons})`, identity.decidedAt)];
}

function jobWaits(answer: Answer, index: Answer): Wait[] {
  if (!answer) return [];
  const { inference, observedAt = '' } = answer;
  const waits = (inference?.jobs ?? []).flatMap((job) => jobWait(job, observedAt));
  const complete = index?.completeness?.state === 'complete' ? index.completeness : undefined;
  if (complete && (inference?.consideredRevision ?? 0) < complete.revision) {
    const what = `inference-orchestrator to choose models for revision ${complete.revision}`;
    waits.push(wait('routing', what, complete.completedAt));
  }
  return waits;
}

function jobWait(job: operations.StudyJob, observedAt: string): Wait[] {
  const { state, modelId, attempts, scheduledAt, nextAttemptAt, workerInstanceId } = job;
  if (state === 'running') {
    const deadline = job.deadlineAt ? `, until ${job.deadlineAt} at the latest` : '';
    return [
      wait('result', `the result of ${modelId} from worker ${workerInstanceId}${deadline}`, job.attemptStartedAt),
    ];
  }
  if (state !== 'queued') return [];
  if (job.heldReason)
    return [wait('person-job', `a person to release job ${job.jobId} of ${modelId} (${job.heldReason})`, scheduledAt)];
  if (nextAttemptAt && Date.parse(nextAttemptAt) > Date.parse(observedAt))
    return [
      wait('next-attempt', `the next attempt of ${modelId}, at ${nextAttemptAt} (${job.errorCode})`, scheduledAt),
    ];
  return [wait('worker', `a free worker of ${modelId}`, attempts > 0 ? nextAttemptAt : scheduledAt)];
}

/** One that waits for identity or completion is told of by those. */
function publicationWaits(answer: Answer): Wait[] {
  return (answer?.publications ?? []).flatMap(({ state, kind, errorCode, nextAttemptAt, createdAt }) => {
    if (state === 'parked')
      return [wait('person-publication', `a person to mend and replay publication ${kind} (${errorCode})`, createdAt)];
    if (state !== 'due') return [];
    const next = errorCode ? ` (${errorCode}), next attempt at ${nextAttemptAt ?? 'once'}` : '';
    return [wait('publication', `result-publisher to write ${kind}${next}`, createdAt)];
  });
}
