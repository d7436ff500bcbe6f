/** What the SDK logs with; a pino logger fits. */
export interface WorkerLogger {
  debug(fields: Record<string, unknown>, event: string): void;
  info(fields: Record<string, unknown>, event: string): void;
  warn(fields: Record<string, unknown>, event: string): void;
  error(fields: Record<string, unknown>, event: string): void;
}

/** JSON lines on stderr, from "info" up. */
export const stderrLogger: WorkerLogger = {
  debug: () => undefined,
  info: (fields, event) => write('info', fields, event),
  warn: (fields, event) => write('warn', fields, event),
  error: (fields, event) => write('error', fields, event),
};

/** A logger that adds fields to each line. */
export function withFields(logger: WorkerLogger, more: Record<string, unknown>): WorkerLogger {
  return {
    debug: (fields, event) => logger.debug({ ...more, ...fields }, event),
    info: (fields, event) => logger.info({ ...more, ...fields }, event),
    warn: (fields, event) => logger.warn({ ...more, ...fields }, event),
    error: (fields, event) => logger.error({ ...more, ...fields }, event),
  };
}

function write(level: string, fields: Record<string, unknown>, event: string): void {
  process.stderr.write(`${JSON.stringify({ level, time: new Date().toISOString(), msg: event, ...fields })}\n`);
}
