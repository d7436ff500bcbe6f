import { context, trace } from '@opentelemetry/api';
import { pino, type DestinationStream } from 'pino';

import type { LogEventName, LogLevel } from './registry/log-events.js';

/** Writes one line an event; a name that is not in the registry does not compile. */
export type Logger = Readonly<Record<LogLevel, (fields: object, event: LogEventName) => void>>;

/**
 * Logs are events with fields: `log.warn({ aet, reason }, 'assoc.rejected')`. Never datasets or names.
 * Each line carries the active trace and span id.
 */
export function createLogger(service: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    mixin: () => {
      const span = trace.getSpanContext(context.active());
      return span ? { traceId: span.traceId, spanId: span.spanId } : {};
    },
    serializers: { err: describeError },
  };
  return destination ? pino(options, destination) : pino(options, pino.destination({ dest: 2, sync: false }));
}

/**
 * Errors of ours are safe to print whole; of other errors the name, code and stack are, but the first line of
 * the stack repeats the message, which may quote data (a value PostgreSQL refused, a path): it is left out.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = (error as { code?: unknown }).code;
  const ours = 'kind' in error && typeof code === 'string';
  const frames = (error.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  return {
    type: error.name,
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(ours ? { message: error.message } : {}),
    stack: frames.slice(0, 12).join('\n'),
    ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
  };
}
