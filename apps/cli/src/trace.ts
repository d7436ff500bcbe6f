import { operations } from '@callosum/contracts';
import { errorMessage } from '@callosum/kernel';

import { ask } from './connect.js';
import { type ServiceAddress, UnknownStudyError } from './errors.js';
import { linesOf, traceIdsOf } from './study-lines.js';
import { isKnown, waitsOf } from './study-waits.js';

export interface TraceOptions {
  readonly studyInstanceUid: string;
  readonly services: readonly ServiceAddress[];
  readonly json: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
}

type Status = operations.GetStudyStatusResponse;

/** A handful of indexed queries; who needs longer has other troubles. */
const deadlineMs = 15_000;

/**
 * Asks every service what it knows of a study and says where it is, what it waits for and since when.
 * @returns false when a service did not answer: then the rest may be wrong by what that one knows
 * @throws {UnknownStudyError} when all answered, and none knows it
 */
export async function trace({ studyInstanceUid, services, json, env, say }: TraceOptions): Promise<boolean> {
  const silent: { service: string; reason: string }[] = [];
  const question = async (target: ServiceAddress, jobIds: readonly string[]): Promise<Status[]> => {
    try {
      return [await statusOf(target, studyInstanceUid, jobIds, env)];
    } catch (error) {
      silent.push({ service: target.service, reason: errorMessage(error) });
      return [];
    }
  };
  // The orchestrator first: it knows the jobs, by which others hold facts.
  const [first, others] = [services.filter(knowsJobs), services.filter((one) => !knowsJobs(one))];
  const jobs = (await Promise.all(first.map((target) => question(target, [])))).flat();
  const jobIds = jobs.flatMap(({ inference }) => inference?.jobs.map(({ jobId }) => jobId) ?? []);
  const again = jobIds.length > 0 ? (await Promise.all(first.map((target) => question(target, jobIds)))).flat() : jobs;
  const rest = (await Promise.all(others.map((target) => question(target, jobIds)))).flat();
  const answers = [...again, ...rest].sort((a, b) => placeOf(a.service) - placeOf(b.service));

  if (!isKnown(answers) && silent.length === 0) throw new UnknownStudyError(studyInstanceUid);
  const waits = waitsOf(answers);
  if (json) {
    const status = Object.fromEntries(
      answers.map((one) => [one.service, operations.GetStudyStatusResponse.toJSON(one)]),
    );
    const summary = { studyInstanceUid, waitsFor: waits, traceIds: traceIdsOf(answers), services: status, silent };
    say(JSON.stringify(summary, null, 2));
    return silent.length === 0;
  }
  say(`study        ${studyInstanceUid}`);
  for (const { service, reason } of silent) say(`${'unknown'.padEnd(12)} what ${service} knows: ${reason}`);
  if (answers.length > 0) for (const line of linesOf(answers, waits)) say(line);
  return silent.length === 0;
}

const knowsJobs = ({ service }: ServiceAddress): boolean => service === 'inference-orchestrator';

/** The order of a study's way. */
const way = [
  'dimse-ingest',
  'dicomweb',
  'study-index',
  'identity-mapping',
  'inference-orchestrator',
  'result-publisher',
];
const placeOf = (service: string): number => (way.indexOf(service) + 1 || way.length + 1) - 1;

function statusOf(
  { service, address }: ServiceAddress,
  studyInstanceUid: string,
  jobIds: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<Status> {
  return ask(service, address, operations.StudyStatusServiceDefinition, env, (client) =>
    client.getStudyStatus({ studyInstanceUid, jobIds: [...jobIds] }, { signal: AbortSignal.timeout(deadlineMs) }),
  );
}
