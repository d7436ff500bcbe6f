import type { worker } from '@callosum/contracts';
import { startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, afterEach, beforeAll } from 'vitest';

import { OrchestratorForTests } from './orchestrator.js';
import { WorkerForTests } from './worker.js';

interface Connecting {
  readonly instanceId?: string;
  /** A replica's, where it is not the orchestrator that all tests share. */
  readonly address?: string;
  readonly token?: string | undefined;
}

export let orchestrator: OrchestratorForTests;
const workers: WorkerForTests[] = [];

/** An orchestrator on a database of its own, for the tests of the file that calls it; each test's workers end with it. */
export function useOrchestrator(settings: Record<string, string> = {}): void {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
    orchestrator = await OrchestratorForTests.start(postgres, settings);
  });
  afterEach(async () => {
    for (const one of workers.splice(0)) {
      one.close();
      await one.ended;
    }
  });
  afterAll(async () => {
    await orchestrator?.stop();
    await postgres?.stop();
  });
}

export function connect({ instanceId, address, token }: Connecting = {}): WorkerForTests {
  const one = new WorkerForTests(address ?? orchestrator.workerAddress, instanceId, token);
  workers.push(one);
  return one;
}

/** A worker that has registered, and is known. */
export async function registered(manifest: worker.Manifest, connecting: Connecting = {}): Promise<WorkerForTests> {
  const one = connect(connecting);
  one.register(manifest);
  await one.take('registered');
  return one;
}
