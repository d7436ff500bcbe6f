import { createRequire } from 'node:module';

/** What of kafkajs' consumer runner this needs to know. */
export interface Runner {
  readonly running: boolean;
  fetch(nodeId: number): Promise<readonly unknown[]>;
}

/** Nobody waits for a fetcher of a runner that has stopped. */
const pauseMs = 100;

export const runnerPrototype = (
  createRequire(import.meta.url)('kafkajs/src/consumer/runner.js') as { readonly prototype: Runner }
).prototype;

/** As kafkajs has it. */
export const fetchOfLibrary = runnerPrototype.fetch;

/**
 * kafkajs 2.2.4 makes its fetchers anew when the brokers change (`fetchManager.start`). When the consumer stops in that
 * moment, `stop` reaches the old ones only; the new ones ask a runner that has stopped, which answers with nothing at
 * once, for ever: a loop of microtasks in which no timer, no socket and no signal of the process gets a turn. A stopped
 * runner here takes its time to answer, and keeps no process alive by it (docs/adr/0043).
 */
export function letStoppedRunnersRest(): void {
  runnerPrototype.fetch = async function restingFetch(this: Runner, nodeId: number) {
    if (!this.running) await new Promise((resolve) => setTimeout(resolve, pauseMs).unref());
    return fetchOfLibrary.call(this, nodeId);
  };
}
