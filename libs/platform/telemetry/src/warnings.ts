import { diag, DiagLogLevel } from '@opentelemetry/api';

import type { Logger } from './logger.js';

/**
 * What Node.js and libraries warn of becomes a line of the log like any other, instead of text on stderr that no parser
 * of lines of JSON reads. Once a process.
 */
export function tellWarnings(logger: Logger): void {
  // Node's own listener prints.
  process.removeAllListeners('warning');
  process.on('warning', (err) => logger.warn({ err }, 'node.warning'));
}

/** The same for OpenTelemetry, which otherwise prints. Its messages name endpoints and errors, so they stay out of the log. */
export function tellDiagnostics(logger: Logger): void {
  const trouble = (_message: string, ...details: readonly unknown[]): void =>
    logger.warn({ err: details.find((detail) => detail instanceof Error) }, 'telemetry.trouble');
  const nothing = (): void => undefined;
  const told = { error: trouble, warn: nothing, info: nothing, debug: nothing, verbose: nothing };
  diag.setLogger(told, { logLevel: DiagLogLevel.ERROR, suppressOverrideMessage: true });
}
