import { AsyncLocalStorage } from 'node:async_hooks';
import { context, propagation, ROOT_CONTEXT, type Context } from '@opentelemetry/api';

import type { LogEvent } from './event.js';

const handling = new AsyncLocalStorage<LogEvent>();

/** The event being handled here, or undefined at the edge of a flow. */
export const currentEvent = (): LogEvent | undefined => handling.getStore();

/** Runs `work` as the handling of `event`: what it adds to an outbox names `event` as its cause. */
export const whileHandling = <T>(event: LogEvent, work: () => Promise<T>): Promise<T> => handling.run(event, work);

/** W3C trace context of where we are, for an envelope or a row; undefined outside any trace. */
export function activeTraceparent(): string | undefined {
  const carrier: Record<string, string> = {};
  propagation.inject(context.active(), carrier);
  return carrier['traceparent'];
}

/** The remote parent that an event or a row carries. */
export function traceContextOf(traceparent: string | undefined): Context {
  return traceparent === undefined ? ROOT_CONTEXT : propagation.extract(ROOT_CONTEXT, { traceparent });
}
