import { ObjectStoreFullError } from '@callosum/object-store';

import type { ServiceDefinition } from './definition.js';

/** `full` refuses writes with a status of their own (A700, 503), and reads go on; `timeout` did not answer within 3 s. */
export type DependencyState = 'ok' | 'full' | 'failing' | 'timeout';

export interface DependencyReport {
  readonly state: DependencyState;
  /** Whether the service's doors can do nothing without it. */
  readonly needed: boolean;
}

/** Every dependency of one service, by name. */
export type Readiness = Readonly<Record<string, DependencyReport>>;

/** `degraded` takes requests, and some of what it does waits or is refused. */
export type ReadinessStatus = 'ready' | 'degraded' | 'not ready';

type Check = () => Promise<unknown>;

export interface DependencyChecks {
  readonly database: Check;
  readonly eventLog: Check;
  readonly objectStore: Check;
  /** The service's own. */
  readonly service: Check;
}

/** A dependency that does not answer in this time is down for whoever waits on us. */
const readinessMs = 3_000;

/**
 * Asks every dependency. No door needs the event log: facts wait in the outbox, and a full outbox refuses by itself; a
 * replica taken out for it would close doors that work.
 */
export async function readinessOf(
  definition: Pick<ServiceDefinition, 'usesArchive' | 'objectStore'>,
  checks: DependencyChecks,
): Promise<Readiness> {
  const objectStore = definition.objectStore ?? (definition.usesArchive ? 'needed' : undefined);
  const entries = await Promise.all([
    ask('database', true, checks.database),
    ask('eventLog', false, checks.eventLog),
    ...(objectStore ? [ask('objectStore', objectStore === 'needed', checks.objectStore)] : []),
    ask('service', true, checks.service),
  ]);
  return Object.fromEntries(entries);
}

/** What the probe says of services that have started. */
export function readinessStatus(services: readonly Readiness[]): ReadinessStatus {
  const reports = services.flatMap((service) => Object.values(service));
  if (reports.some(({ state, needed }) => needed && (state === 'failing' || state === 'timeout'))) return 'not ready';
  return reports.every(({ state }) => state === 'ok') ? 'ready' : 'degraded';
}

async function ask(name: string, needed: boolean, check: Check): Promise<[string, DependencyReport]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<DependencyState>((resolve) => {
    timer = setTimeout(() => resolve('timeout'), readinessMs);
  });
  const state = (async () => check())().then(
    (): DependencyState => 'ok',
    (error: unknown): DependencyState => (error instanceof ObjectStoreFullError ? 'full' : 'failing'),
  );
  try {
    return [name, { state: await Promise.race([state, late]), needed }];
  } finally {
    clearTimeout(timer);
  }
}
