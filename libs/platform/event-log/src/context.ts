import { AsyncLocalStorage } from 'node:async_hooks';

import type { LogEvent } from './event.js';

const handling = new AsyncLocalStorage<LogEvent>();

/** The event being handled here, or undefined at the edge of a flow. */
export const currentEvent = (): LogEvent | undefined => handling.getStore();

/** Runs `work` as the handling of `event`: what it adds to an outbox names `event` as its cause. */
export const whileHandling = <T>(event: LogEvent, work: () => Promise<T>): Promise<T> => handling.run(event, work);
