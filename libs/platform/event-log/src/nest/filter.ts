import { Catch, type ExceptionFilter } from '@nestjs/common';

/**
 * Lets a handler's own error through. Nest's default turns every error into { status: 'error' }, and what may be
 * tried again could no longer be told from what must be parked.
 */
@Catch()
export class EventErrorFilter implements ExceptionFilter {
  catch(error: unknown): never {
    throw error;
  }
}
