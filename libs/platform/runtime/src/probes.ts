import type { ServerResponse } from 'node:http';

import type { Drain } from './drain.js';
import { readinessStatus } from './readiness.js';
import type { RunningService } from './start-service.js';

/** What a probe asks about. */
export interface ProbedProcess {
  /** Read at each request: services may join while the port is already open. */
  readonly services: () => readonly RunningService[];
  /** False until everything that belongs to this process has been started. */
  readonly started: () => boolean;
  /** Once it began, only probes and metrics are answered; the rest is refused with 503. */
  readonly drain: Drain;
}

/** Answers /healthz and /readyz. @returns false for any other path, which it leaves alone */
export function answersProbe(path: string, probed: ProbedProcess, response: ServerResponse): boolean {
  if (path === '/healthz') answerHealth(probed.services(), response);
  else if (path === '/readyz') void answerReadiness(probed, response);
  else return false;
  return true;
}

/** Liveness: 503 once a consumer has stopped for good; a restart is the cure. */
function answerHealth(services: readonly RunningService[], response: ServerResponse): void {
  const dead = services.filter((service) => service.crashed());
  const alive = dead.length === 0;
  answer(
    response,
    alive,
    alive ? 'ok' : 'failing',
    Object.fromEntries(services.map((s) => [s.name, s.crashed() ? 'crashed' : 'alive'])),
  );
}

/**
 * Readiness: each service's dependencies, by name. 503 only while something starts or ends, or while a dependency is away
 * that a service's doors need: whoever is sent here would be refused.
 */
async function answerReadiness({ services, started, drain }: ProbedProcess, response: ServerResponse): Promise<void> {
  if (drain.began.aborted) return answer(response, false, 'not ready', 'draining');
  const checks = await Promise.all(
    services().map(async (service) => [service.name, await service.readiness()] as const),
  );
  const status = started() ? readinessStatus(checks.map(([, report]) => report)) : 'not ready';
  answer(response, status !== 'not ready', status, Object.fromEntries(checks));
}

function answer(response: ServerResponse, good: boolean, status: string, services: unknown): void {
  response.writeHead(good ? 200 : 503, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ status, services }));
}
