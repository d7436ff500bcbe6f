import { setTimeout as sleep } from 'node:timers/promises';

import type { Cluster } from '../cluster/cluster.js';
import { judgeSinks, type SinkVerdict } from './judge-sinks.js';
import { type Job, type Promised, readState, type StudyState, type SystemState } from './judge-state.js';
import type { PlannedStudy } from './planned-study.js';

const judgeEveryMs = 2_000;
const findingsShownMax = 40;

/** `findings`: what was promised and does not hold, a line each; empty is what we want. */
export interface Verdict extends SinkVerdict {
  /** From the end of traffic and faults until everything held, or patience ended. */
  readonly settledMs: number;
}

/**
 * Compares what was promised with what every service and sink holds, again and again until it agrees or `patienceMs`
 * is over: what waits for a retry is not lost, what never comes is.
 */
export async function judge(cluster: Cluster, promised: Promised, patienceMs: number): Promise<Verdict> {
  const started = Date.now();
  for (;;) {
    const verdict = await judgeOnce(cluster, promised);
    const settledMs = Date.now() - started;
    const isOver = verdict.findings.length === 0 || settledMs > patienceMs;
    if (isOver) return { ...verdict, findings: shorten(verdict.findings), settledMs };
    await sleep(judgeEveryMs);
  }
}

async function judgeOnce(cluster: Cluster, promised: Promised): Promise<SinkVerdict> {
  const unknown = { repeatedFacts: 0, repeatedVersions: 0 };
  try {
    const state = await readState(cluster.postgres.admin);
    const findings = judgeServices(promised, state);
    return findings.length > 0 ? { findings, ...unknown } : await judgeSinks(cluster, promised, state);
  } catch (error) {
    return { findings: [`the system cannot be asked: ${String(error)}`], ...unknown };
  }
}

/** What the services' own tables say. */
export function judgeServices({ acknowledged, studies, poison }: Promised, state: SystemState): string[] {
  const findings: string[] = [];
  for (const [sop, { studyInstanceUid }] of acknowledged) {
    if (!state.ledger.has(sop)) findings.push(`acknowledged, and not in the ledger: ${sop}`);
    if (!state.studies.get(studyInstanceUid)?.indexed.has(sop)) findings.push(`acknowledged, and not indexed: ${sop}`);
  }
  const planned = new Map(studies.map((study) => [study.studyInstanceUid, study]));
  for (const study of planned.values()) findings.push(...judgeStudy(study, planned, state));
  for (const uid of state.studies.keys()) if (!planned.has(uid)) findings.push(`a study nobody sent: ${uid}`);
  if (state.outboxRows > 0) findings.push(`${state.outboxRows} facts wait in outboxes`);
  const planted = new Set(poison);
  const parked = new Set(state.parked.map(({ eventId }) => eventId));
  for (const { eventId, where } of state.parked)
    if (!planted.has(eventId)) findings.push(`parked: ${where} ${eventId}`);
  for (const id of planted) if (!parked.has(id)) findings.push(`poison that is not parked: ${id}`);
  if (state.parkedPublications > 0) findings.push(`${state.parkedPublications} publications are parked`);
  return findings;
}

function judgeStudy(study: PlannedStudy, planned: ReadonlyMap<string, PlannedStudy>, state: SystemState): string[] {
  const uid = study.studyInstanceUid;
  const found = state.studies.get(uid);
  if (!found) return [`study is not indexed: ${uid}`];
  const findings: string[] = [];
  const say = (what: string): void => void findings.push(`${what}: ${uid}`);
  if (!found.complete) say('study is not complete');
  if (!found.decision) say('study is neither linked nor quarantined');
  if (isPair(study)) {
    const partner = state.studies.get(study.partner ?? '');
    if (planned.has(study.partner ?? '') && partner?.decision === found.decision)
      say(`both of a pair are ${found.decision}`);
  } else if (found.decision === 'quarantined') say('study is quarantined without a reason');
  findings.push(...judgeOutcomes(uid, found));
  return findings;
}

const isPair = ({ expected }: PlannedStudy): boolean => expected === 'one-of-pair';

function judgeOutcomes(uid: string, { jobs, decision, publications }: StudyState): string[] {
  const findings: string[] = [];
  const say = (what: string): void => void findings.push(`${what}: ${uid}`);
  const are = (...states: Job['state'][]): number => jobs.filter(({ state }) => states.includes(state)).length;
  if (are('queued', 'running') > 0) say('a job has not ended');
  if (are('failed') > 0) say('a job failed');
  if (are('completed') === 0) say('no job completed');
  const published = publications.filter((one) => one.published);
  if (decision === 'quarantined' && published.length > 0) say('a quarantined study was published');
  if (decision === 'linked' && !published.some(({ kind }) => kind === 'result')) say('a result was not published');
  if (decision === 'linked' && publications.some(({ state }) => state === 'waiting' || state === 'due'))
    say('a publication waits');
  return findings;
}

function shorten(findings: readonly string[]): readonly string[] {
  if (findings.length <= findingsShownMax) return findings;
  return [...findings.slice(0, findingsShownMax), `and ${findings.length - findingsShownMax} more`];
}
