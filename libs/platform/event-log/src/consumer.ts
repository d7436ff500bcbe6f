import { setTimeout as sleep } from 'node:timers/promises';
import { errorCode } from '@callosum/kernel';

import { isTransient, Patience, type Backoff } from './backoff.js';
import { countEvent } from './metrics.js';
import { behindParkedCode, PartitionLostError } from './errors.js';
import { type EventHandler, type EventPlace, type FetchHandler, type RunHandler, runEventsMax } from './event-log.js';
import type { LogEvent } from './event.js';
import type { ParkedStore } from './parked.js';

export interface ConsumerPolicyOptions {
  readonly group: string;
  readonly parked: ParkedStore;
  /** Does the work of one event, or rejects. */
  readonly dispatch: EventHandler;
  readonly backoff?: Backoff;
  /** Told of each event parked, and why, and whether the service tries it again; the event's value stays out of it. */
  readonly onParked?: (event: LogEvent, errorCode: string, error: unknown, retried: boolean) => void;
  /** Told when an event was handled that had found something away: it answers again. */
  readonly onRecovered?: (errorCode: string) => void;
}

export interface RunPolicyOptions extends ConsumerPolicyOptions {
  /** Facts of one key whose work may be done at once; one by one where it is left out. */
  readonly together?: {
    /** How many of these facts, from the first: 1 where it has to be done by itself. */
    readonly countOf: (events: readonly LogEvent[]) => number;
    /** Does the work of all of them, or rejects: then each is done by itself, those too that are done already. */
    readonly dispatch: (events: readonly LogEvent[], lost?: AbortSignal) => Promise<void>;
  };
}

/**
 * From the begin of a run to that of the next, where the first was all that had come: facts of a large transfer come a few
 * at a time, and what is done once for a run costs as much for three of them as for thirty. Who comes alone waits for nobody.
 */
const gatheringMs = 150;

/** Facts that were fetched together: one look for parked facts does for all of them. */
interface Fetched {
  /** False where the key has no parked fact. */
  mayHold(event: LogEvent): Promise<boolean>;
  /** The event was parked just now. */
  parked(event: LogEvent): void;
}

/**
 * What happens when handling fails, the same on every adapter: transient errors are tried again with growing
 * pauses, defects a few times within seconds, everything else parks at once, and later facts of a parked key park
 * behind it while other keys go on. What parks after transient errors is tried again by the Replayer. The handler it makes rejects only when parking itself fails (no database): then the
 * event is delivered again; or when the partition was lost meanwhile, and with it the say in what becomes of the event.
 */
export function withPolicy(options: ConsumerPolicyOptions): EventHandler {
  const { group, parked } = options;
  const each: Fetched = {
    mayHold: ({ topic, key }) => parked.holds({ group, topic, key }),
    parked: () => undefined,
  };
  return (event, lost) => handle(options, each, event, lost);
}

/**
 * The same for facts that were fetched together, with one look for parked facts of their keys instead of one for each.
 * Only the owner of a key's partition parks facts of it, and it is ours from before the fetch until its facts are handled
 * or it is lost: what is parked meanwhile is parked here, and remembered. A key that is no longer parked is found out
 * under its lock, by `parkBehind`.
 */
export function withPolicyPerFetch(options: RunPolicyOptions): FetchHandler {
  return { ofFetched: (events) => runs(options, new ParkedOfFetch(options, events)) };
}

/**
 * What fails together is handled again one by one, each with its own patience: a run only ever saves work, and what becomes
 * of a fact is decided as if it had come alone.
 */
function runs(options: RunPolicyOptions, fetched: Fetched): RunHandler {
  const { group, together } = options;
  const alone = new Set<string>();
  /** What a run found away, until one of its facts is handled by itself. */
  let away: string | undefined;
  return async (events, lost) => {
    const [first] = events;
    if (!first) return 0;
    const count = together && !alone.has(first.id) ? together.countOf(events) : 1;
    if (together && count > 1 && !(await fetched.mayHold(first))) {
      const run = events.slice(0, count);
      const startedAt = performance.now();
      try {
        await together.dispatch(run, lost);
        for (const event of run) countEvent(group, event, 'handled', startedAt);
        const isAllThatCame = count === events.length && count < runEventsMax;
        if (isAllThatCame) await gathering(startedAt, lost);
        return count;
      } catch (error) {
        // The spans of the run have the code; who is at fault is found, and told, one by one.
        if (lost?.aborted) throw new PartitionLostError(first.topic);
        if (isTransient(error)) away = errorCode(error);
        for (const event of run) {
          countEvent(group, event, 'retried', startedAt);
          alone.add(event.id);
        }
      }
    }
    alone.delete(first.id);
    const wasAway = away;
    away = undefined;
    await handle(options, fetched, first, lost, wasAway);
    return 1;
  };
}

/** Resolves when the next run may begin. */
async function gathering(startedAt: number, lost: AbortSignal | undefined): Promise<void> {
  const leftMs = gatheringMs - (performance.now() - startedAt);
  // Whoever has the partition next waits for nothing.
  if (leftMs > 0) await sleep(leftMs, undefined, lost ? { signal: lost } : {}).catch(() => undefined);
}

async function handle(
  options: ConsumerPolicyOptions,
  fetched: Fetched,
  event: LogEvent,
  lost: AbortSignal | undefined,
  awayBefore?: string,
): Promise<void> {
  const { group, parked, dispatch, backoff, onParked, onRecovered } = options;
  const stillOurs = (): void => {
    if (lost?.aborted) throw new PartitionLostError(event.topic);
  };
  const behind = (await fetched.mayHold(event)) && (await parked.parkBehind(group, event, behindParkedCode));
  if (behind) {
    countEvent(group, event, 'parked');
    onParked?.(event, behindParkedCode, undefined, behind.retried);
    return;
  }
  const patience = new Patience(backoff);
  let away = awayBefore;
  for (;;) {
    const startedAt = performance.now();
    try {
      await dispatch(event, lost);
      countEvent(group, event, 'handled', startedAt);
      if (away) onRecovered?.(away);
      return;
    } catch (error) {
      stillOurs();
      const pauseMs = patience.after(error);
      if (pauseMs === undefined) {
        const code = errorCode(error);
        // Before anything is written: where no answer comes, it may be parked.
        fetched.parked(event);
        if (!(await parked.park(group, event, code, isTransient(error)))) return;
        countEvent(group, event, 'parked', startedAt);
        onParked?.(event, code, error, isTransient(error));
        return;
      }
      countEvent(group, event, 'retried', startedAt);
      if (isTransient(error)) away = errorCode(error);
      await sleep(pauseMs);
      stillOurs();
    }
  }
}

class ParkedOfFetch implements Fetched {
  readonly #parkedHere = new Set<string>();
  #found: Promise<ReadonlySet<string>> | undefined;

  constructor(
    private readonly options: Pick<ConsumerPolicyOptions, 'group' | 'parked'>,
    private readonly events: readonly EventPlace[],
  ) {}

  async mayHold(event: LogEvent): Promise<boolean> {
    if (this.#parkedHere.has(nameOf(event))) return true;
    this.#found ??= this.#look();
    return (await this.#found).has(nameOf(event));
  }

  parked(event: LogEvent): void {
    this.#parkedHere.add(nameOf(event));
  }

  async #look(): Promise<ReadonlySet<string>> {
    const places = new Map(this.events.map(({ topic, key }) => [nameOf({ topic, key }), { topic, key }]));
    try {
      return new Set((await this.options.parked.held(this.options.group, [...places.values()])).map(nameOf));
    } catch (error) {
      // Whoever is given another event of these looks again.
      this.#found = undefined;
      throw error;
    }
  }
}

const nameOf = ({ topic, key }: EventPlace): string => `${topic}/${key}`;
