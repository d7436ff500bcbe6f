import type { Logger, Telemetry } from '@callosum/telemetry';

import type { Drain } from './drain.js';
import type { RunningHttpServer } from './http-server.js';
import type { RunningMetricsServer } from './metrics-server.js';
import type { RunningService } from './start-service.js';

export interface DrainedParts {
  readonly drain: Drain;
  readonly http: RunningHttpServer;
  /** The port metrics have to themselves, where they do not share the one of `http`. */
  readonly metrics: RunningMetricsServer | undefined;
  /** In the order they started; they close in the opposite one. */
  readonly services: readonly RunningService[];
  readonly telemetry: Telemetry;
  readonly logger: Logger;
}

/**
 * Ends what a process runs, within its one grace. All parts stop taking work at once; who still works may ask the others
 * until it has ended, so they close one after the other. Probes and metrics are answered to the end:
 * readiness says 503.
 */
export async function drainProcess({ drain, http, metrics, services, telemetry, logger }: DrainedParts): Promise<void> {
  const beganAt = Date.now();
  drain.begin();
  logger.info({ graceMs: drain.graceMs }, 'draining');
  await Promise.all([http.drained(), ...services.map((service) => service.drain())]);
  for (const service of [...services].reverse()) await service.close();
  await http.close();
  await metrics?.close();
  logger.info({ durationMs: Date.now() - beganAt, abandoned: drain.over.aborted }, 'drained');
  await drain.within(telemetry.shutdown()).catch((err: unknown) => logger.warn({ err }, 'close.failed'));
}
