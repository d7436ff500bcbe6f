import { inference, results, topics } from '@callosum/contracts';

import type { LogRecord } from '../cluster/read-log.js';
import type { Job, JobPublication, ResultParts, SystemState } from './judge-state.js';

/** A fact of a job, however often it stands in the log. */
interface JobFact {
  readonly topic: string;
  readonly eventId: string;
  readonly jobId: string;
  readonly value: string;
}

const { jobScheduled, jobCompleted, jobFailed, resultPublished } = topics;
const topicsOfJobs: ReadonlySet<string> = new Set(
  [jobScheduled, jobCompleted, jobFailed, resultPublished].map(({ name }) => name),
);

/**
 * Holds every job against the log: scheduled once, ended once and as its row says, its outcome published once, naming the
 * whole of it. A record with the `ce_id` of another is the same fact again, which at least once allows; another `ce_id` is
 * another fact.
 */
export function judgeJobs(
  records: readonly LogRecord[],
  { studies }: SystemState,
  { perResult, poison }: { readonly perResult: ResultParts; readonly poison: readonly string[] },
): string[] {
  const planted = new Set(poison);
  const ofJobs = records.filter(({ topic, eventId }) => topicsOfJobs.has(topic) && !planted.has(eventId));
  const findings: string[] = [];
  const facts = Map.groupBy(distinct(ofJobs, findings), ({ jobId }) => jobId);
  for (const [uid, { jobs, publications }] of studies) {
    const outcomes = Map.groupBy(publications, ({ jobId }) => jobId);
    for (const job of jobs) {
      const found = [
        ...judgeEnd(job, facts.get(job.id) ?? []),
        ...judgePublished(job, outcomes.get(job.id) ?? [], facts.get(job.id) ?? [], perResult),
      ];
      findings.push(...found.map((what) => `${what}: job ${job.id} of ${uid}`));
      facts.delete(job.id);
      outcomes.delete(job.id);
    }
    for (const id of outcomes.keys()) findings.push(`a publication of no job: ${id} of ${uid}`);
  }
  for (const id of facts.keys()) findings.push(`facts of no job: ${id}`);
  return findings;
}

/** Records that only repeat an earlier one of their topic. */
export function repeatedRecords(records: readonly LogRecord[]): number {
  return records.length - new Set(records.map(({ topic, eventId }) => `${topic} ${eventId}`)).size;
}

/** Each fact once; facts nobody can read, and one `ce_id` that says two things, are findings. */
function distinct(records: readonly LogRecord[], findings: string[]): JobFact[] {
  const facts = new Map<string, JobFact>();
  for (const { topic, eventId, value } of records) {
    const name = `${topic} ${eventId}`;
    const known = facts.get(name);
    if (known && known.value !== value) findings.push(`one ce_id says two things: ${name}`);
    if (known) continue;
    const jobId = jobIdOf(topic, value);
    if (jobId === undefined) findings.push(`a fact nobody can read: ${name}`);
    // Without a job it is the fact of a study's ImagingStudy alone.
    else if (jobId !== '') facts.set(name, { topic, eventId, jobId, value });
  }
  return [...facts.values()];
}

function jobIdOf(topic: string, value: string): string | undefined {
  try {
    const read = JSON.parse(value) as { readonly jobId?: unknown } | null;
    const jobId = read?.jobId ?? (topic === resultPublished.name ? '' : undefined);
    return typeof jobId === 'string' ? jobId : undefined;
  } catch {
    return undefined;
  }
}

function judgeEnd({ state }: Job, facts: readonly JobFact[]): string[] {
  const findings: string[] = [];
  const scheduled = facts.filter(({ topic }) => topic === jobScheduled.name).length;
  if (scheduled !== 1) findings.push(`${scheduled} facts that it was scheduled`);
  const completed = facts.filter(({ topic }) => topic === jobCompleted.name);
  const failed = facts.filter(({ topic }) => topic === jobFailed.name);
  const hasEnded = state !== 'queued' && state !== 'running';
  if (completed.length + failed.length !== (hasEnded ? 1 : 0))
    findings.push(`${completed.length + failed.length} facts that it ended, in state ${state}`);
  else if (hasEnded && completed.length !== (state === 'completed' ? 1 : 0))
    findings.push(`the log says that it ${completed.length > 0 ? 'completed' : 'failed'}, its row ${state}`);
  for (const { value } of failed) {
    const { reason } = inference.JobFailed.fromJSON(JSON.parse(value));
    const isSuperseded = reason === inference.JobFailureReason.JOB_FAILURE_REASON_SUPERSEDED;
    if (isSuperseded !== (state === 'superseded'))
      findings.push(`failed as ${inference.jobFailureReasonToJSON(reason)}, its row ${state}`);
  }
  return findings;
}

function judgePublished(
  { state }: Job,
  publications: readonly JobPublication[],
  facts: readonly JobFact[],
  perResult: ResultParts,
): string[] {
  const [publication] = publications;
  const hasEnded = state !== 'queued' && state !== 'running';
  if (publications.length !== (hasEnded ? 1 : 0)) return [`${publications.length} publications, in state ${state}`];
  const published = facts.filter(({ topic }) => topic === resultPublished.name);
  const wanted = publication?.published ? 1 : 0;
  if (published.length !== wanted) return [`${published.length} facts that its outcome was published, not ${wanted}`];
  const expected = state === 'completed' ? 'result' : 'failure';
  if (publication && publication.kind !== expected)
    return [`its ${publication.kind} is to be published, it is ${state}`];
  const [fact] = published;
  return fact && publication ? judgeFact(fact, publication, perResult) : [];
}

/** What the fact of a publication names in each sink. */
function judgeFact({ value }: JobFact, { kind, names }: JobPublication, perResult: ResultParts): string[] {
  const fact = results.ResultPublished.fromJSON(JSON.parse(value));
  const findings: string[] = [];
  const isResult = kind === 'result';
  const { PUBLICATION_KIND_RESULT, PUBLICATION_KIND_FAILURE } = results.PublicationKind;
  if (fact.kind !== (isResult ? PUBLICATION_KIND_RESULT : PUBLICATION_KIND_FAILURE))
    findings.push(`its ${kind} was published as ${results.publicationKindToJSON(fact.kind)}`);
  if (!fact.taskReference || !fact.imagingStudyReference) findings.push('published without a Task or an ImagingStudy');
  if (!isResult) return findings;
  if (!fact.diagnosticReportReference) findings.push('published without a report');
  const observations = new Set(fact.observationReferences).size;
  if (observations !== perResult.observations || observations !== fact.observationReferences.length)
    findings.push(`published with ${fact.observationReferences.length} Observations`);
  const named = [fact.segSopInstanceUid, fact.srSopInstanceUid].filter(Boolean);
  if (named.length !== perResult.segmentations + perResult.reports || !named.every((sop) => names.includes(sop)))
    findings.push('published with other objects than its row names');
  return findings;
}
