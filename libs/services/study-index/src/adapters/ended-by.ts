import { setTimeout as sleep } from 'node:timers/promises';

import { newId } from '@callosum/kernel';
import { type Kysely, type RawBuilder, sql } from 'kysely';

/** A statement that is not there yet when it is to be ended is looked for again, in milliseconds. */
const againMs = 50;
/** Marks that no statement has now: the same few again and again, so that statements of a text can be prepared. */
const freeMarks: string[] = [];

/**
 * Runs `work`; the signal ends its statement too, which would look on for nobody. Which connection has it is looked up
 * when it is to be ended, by a mark in the statement: asking for that before would be one turn more to the server for
 * every search, and nearly none is ended.
 * @param work its statements begin with the mark that it is given, a comment
 * @throws the signal's reason, once it is given
 */
export async function endedBy<DB, T>(
  db: Kysely<DB>,
  signal: AbortSignal | undefined,
  work: (db: Kysely<DB>, mark: RawBuilder<unknown>) => Promise<T>,
): Promise<T> {
  if (!signal || db.isTransaction) return await work(db, sql``);
  return await db.connection().execute(async (connection) => {
    signal.throwIfAborted();
    const mark = freeMarks.pop() ?? `/* search ${newId()} */`;
    let ending: Promise<void> | undefined;
    let isDone = false;
    const end = async (): Promise<void> => {
      for (; !isDone; await sleep(againMs)) {
        // Where it cannot be ended, its timeout does.
        await sql`select pg_cancel_backend(pid) from pg_stat_activity
          where state = 'active' and pid <> pg_backend_pid() and starts_with(query, ${mark})`
          .execute(db)
          .catch(() => undefined);
      }
    };
    const onAbort = (): void => void (ending = end());
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      return await work(connection, sql.raw(mark));
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      isDone = true;
      signal.removeEventListener('abort', onAbort);
      // Connection and mark are another one's after this, and that one's statement must not be ended.
      await ending;
      // Where the server did not say that it was ended, it may still do so.
      if (!ending) freeMarks.push(mark);
    }
  });
}
