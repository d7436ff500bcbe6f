import type { Logger } from '@callosum/telemetry';
import type { LoggerService } from '@nestjs/common';

/** Nest's own lines go where ours go; its start-up chatter is debug. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown): void {
    this.logger.debug({ nest: String(message) }, 'nest.log');
  }
  error(message: unknown): void {
    // Nest hands over errors' texts, which may quote data: the type is enough beside our own filters' logs.
    this.logger.error({ err: message instanceof Error ? message : { type: typeof message } }, 'nest.error');
  }
  warn(message: unknown): void {
    this.logger.warn({ nest: String(message) }, 'nest.warn');
  }
  debug(): void {
    // Below what anyone reads.
  }
  verbose(): void {
    // Below what anyone reads.
  }
}
