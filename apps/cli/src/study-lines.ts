import type { operations } from '@callosum/contracts';

import { type Answers, backlogs, facts, type Wait } from './study-waits.js';

/** For people: a line a stage, with its age; then what the study waits for, and the traces to look up. */
export function linesOf(answers: Answers, waits: readonly Wait[]): string[] {
  const now = Math.max(...answers.map(({ observedAt }) => Date.parse(observedAt ?? '') || 0));
  const age = (at: string | undefined): string => (at ? ageOf(now - Date.parse(at)) : 'unknown');
  const traceIds = traceIdsOf(answers);
  return [
    ...answers.flatMap((answer) => [
      ...(answer.intake ? [line('archive', intakeOf(answer.intake, age))] : []),
      ...(answer.completeness ? [line('index', completenessOf(answer.completeness, age))] : []),
      ...stepsOf(answer.completeness, age).map((text) => line('procedure', text)),
      ...more('procedure', answer.completeness?.procedureStepsTotal, answer.completeness?.procedureSteps.length),
      ...(answer.identity ? [line('identity', identityOf(answer.identity, age))] : []),
      ...inferenceOf(answer.inference, age).map((text) => line('inference', text)),
      ...more('inference', answer.inference?.jobsTotal, answer.inference?.jobs.length),
      ...answer.publications.map((one) => line('publication', publicationOf(one, age))),
      ...more('publication', answer.publicationsTotal, answer.publications.length),
      ...answer.parked.map((parked) => line('parked', `${answer.service}  ${parkedOf(parked, age)}`)),
    ]),
    ...backlogs(answers).map(({ schema, rows, oldestAt }) =>
      line('outbox', `${schema}: ${facts(rows)}, the oldest ${age(oldestAt)} old`),
    ),
    ...(waits.length > 0
      ? waits.map(({ what, since }) => line('waits for', since ? `${what}; since ${since} (${age(since)})` : what))
      : [line('waits for', 'nothing')]),
    ...(traceIds.length > 0 ? [line('traces', traceIds.join(' '))] : []),
  ];
}

/** Each once, in the order of the study's way. */
export const traceIdsOf = (answers: Answers): string[] => [...new Set(answers.flatMap(({ traceIds }) => traceIds))];

type Age = (at: string | undefined) => string;

const line = (stage: string, text: string): string => `${stage.padEnd(12)} ${text}`;

const more = (stage: string, total = 0, shown = 0): string[] =>
  total > shown ? [line(stage, `and ${total - shown} more`)] : [];

function intakeOf(intake: operations.StudyIntake, age: Age): string {
  const made = intake.issuedByCallosum > 0 ? `, ${intake.issuedByCallosum} of them made by Callosum` : '';
  const arrivals = intake.lastStoredAt
    ? `; first arrival ${age(intake.firstStoredAt)} ago, last ${age(intake.lastStoredAt)} ago (${intake.lastStoredAt})`
    : '';
  return `${intake.instances} instances, ${(Number(intake.bytes) / 2 ** 20).toFixed(1)} MiB${made}${arrivals}`;
}

function completenessOf(study: operations.StudyCompleteness, age: Age): string {
  const size = `${study.instances} instances in ${study.series} series`;
  const revision = `${study.state}, revision ${study.revision}`;
  if (study.state === 'receiving' && study.waitingSince)
    return `${revision}: ${size}; quiet, and held up for ${age(study.waitingSince)}; looked at again at ${study.quietUntil ?? ''}`;
  if (study.state === 'receiving')
    return `${revision}: ${size}; complete at ${study.quietUntil ?? ''} if nothing comes`;
  const evidence = study.evidence.replace('COMPLETENESS_EVIDENCE_', '').toLowerCase().replaceAll('_', '-');
  return `${revision}: ${size}; by ${evidence || 'unknown evidence'}, ${age(study.completedAt)} ago`;
}

const stepsOf = (completeness: operations.StudyCompleteness | undefined, age: Age): string[] =>
  (completeness?.procedureSteps ?? []).map(
    ({ procedureStepUid, status, instances, changedAt }) =>
      `step ${status} since ${age(changedAt)}: ${instances} instances stated  ${procedureStepUid}`,
  );

function identityOf(identity: operations.StudyIdentity, age: Age): string {
  const reasons = identity.reasons.length > 0 ? `: ${identity.reasons.join(', ')}` : '';
  const provisional = identity.provisional ? ' to a provisional Patient' : '';
  const history = identity.decisions > 1 ? ` (decision ${identity.decisions} on it)` : '';
  return `${identity.state}${provisional} by ${identity.decidedBy}${reasons}, ${age(identity.decidedAt)} ago${history}`;
}

function inferenceOf(inference: operations.StudyInference | undefined, age: Age): string[] {
  if (!inference) return [];
  if (inference.jobs.length > 0) return inference.jobs.map((job) => jobOf(job, age));
  const models = `${inference.models} model${inference.models === 1 ? '' : 's'}`;
  return [`no job: none of ${models} takes it as of revision ${inference.consideredRevision}`];
}

function jobOf(job: operations.StudyJob, age: Age): string {
  const since = {
    running: job.attemptStartedAt,
    queued: job.scheduledAt,
  }[job.state];
  const parts = [
    `${job.modelId} ${job.modelVersion}: ${job.state}, ${age(since ?? job.endedAt)}${since ? '' : ' ago'}`,
    `revision ${job.studyRevision}`,
    `attempts ${job.attempts}`,
    ...(job.errorCode ? [`last failure ${job.errorCode}`] : []),
    ...(job.heldReason ? [`held: ${job.heldReason}`] : []),
    ...(job.state === 'queued' && !job.heldReason && job.nextAttemptAt ? [`next attempt ${job.nextAttemptAt}`] : []),
    ...(job.state === 'running' ? [`worker ${job.workerInstanceId}`, `lease until ${job.leaseUntil ?? ''}`] : []),
  ];
  return `${parts.join(', ')}  ${job.jobId}`;
}

function publicationOf(publication: operations.StudyPublication, age: Age): string {
  const { kind, model, state, waitsFor, sinks, attempts, refusals, defects, errorCode, nextAttemptAt } = publication;
  const asked = `${kind}${model ? ` of ${model}` : ''}: ${state}${waitsFor ? ` for ${waitsFor}` : ''}`;
  const when =
    state === 'published' ? `${age(publication.publishedAt)} ago` : `asked ${age(publication.createdAt)} ago`;
  const failures = attempts + refusals + defects;
  const parts = [
    `${asked}, ${when}`,
    ...(sinks.length > 0 ? [`in ${sinks.join(' and ')}`] : []),
    ...(failures > 0 ? [`${attempts} outages, ${refusals} refusals, ${defects} defects`] : []),
    ...(errorCode ? [errorCode] : []),
    ...(nextAttemptAt ? [`next attempt ${nextAttemptAt}`] : []),
  ];
  return parts.join(', ');
}

function parkedOf({ topic, key, items, errorCode, parkedAt, nextAttemptAt }: operations.ParkedFacts, age: Age): string {
  const again = nextAttemptAt ? `, tried again at ${nextAttemptAt}` : '';
  return `${topic}  ${key}  ${facts(items)}, ${errorCode}, ${age(parkedAt)} ago${again}`;
}

const units = [
  ['d', 86_400],
  ['h', 3_600],
  ['min', 60],
  ['s', 1],
] as const;

/** The two largest units. Clocks of machines differ a little: never negative. */
export function ageOf(ms: number): string {
  let seconds = Math.max(0, Math.floor(ms / 1000));
  const parts: string[] = [];
  for (const [unit, length] of units) {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    if (count > 0 && parts.length < 2) parts.push(`${count} ${unit}`);
  }
  return parts.join(' ') || '0 s';
}
