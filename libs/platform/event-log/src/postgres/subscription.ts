import { setTimeout as sleep } from 'node:timers/promises';
import { isTransientDatabaseError } from '@callosum/database';
import { newId } from '@callosum/kernel';

import { handlerOf, type RunHandler, runEventsMax, type Subscription, type SubscriptionOptions } from '../event-log.js';
import { toEvent } from '../rows.js';
import type { SqlDatabase } from '../sql.js';
import { Waker } from '../waker.js';
import { fetchEvents, type LoggedRow } from './fetch.js';
import { GroupMember, type Lease } from './group.js';

export interface SubscriptionTuning {
  /** A crashed member's partitions are taken over after this time. */
  readonly leaseMs: number;
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** Partitions handled at the same time; each may hold a connection of the service's pool. */
  readonly concurrencyMax: number;
  /** Events read and not yet handled, of all partitions: bounds memory. */
  readonly bufferedEventsMax: number;
  readonly drainMs: number;
}

export const subscriptionDefaults: SubscriptionTuning = {
  leaseMs: 15_000,
  pollMinMs: 25,
  pollMaxMs: 250,
  concurrencyMax: 4,
  bufferedEventsMax: 256,
  drainMs: 10_000,
};

/** One partition's share of a read; the rest of a busy partition comes with the next. */
const perPartitionMax = 32;
/** Events of one batch are committed together, but not later than this: what a crash repeats. */
const commitEveryMs = 200;
const failurePauseMs = 250;
/** Failures in a row that no waiting will mend (a missing table, a missing right) before the subscription gives up. */
const fatalFailuresMax = 5;

interface Lane {
  lease: Lease;
  xid: string;
  position: number;
  /** Our own clock's view of the lease; after it another member may own the partition. */
  leaseUntil: number;
  /** Aborted once the partition may be another member's. */
  readonly lost: AbortController;
  busy: boolean;
  releasing: boolean;
}

const laneName = ({ topic, partition }: Lease): string => `${topic}/${partition}`;

/** Reads a group's share of the log's partitions, each in order, several at the same time. */
export class PostgresSubscription implements Subscription {
  readonly waker = new Waker();
  readonly #member: GroupMember;
  readonly #lanes = new Map<string, Lane>();
  readonly #running = new Set<Promise<void>>();
  #free: number;
  #buffered = 0;
  #renewAt = 0;
  #fatalFailures = 0;
  #stopping = false;
  #loop: Promise<void> | undefined;

  constructor(
    private readonly db: SqlDatabase,
    private readonly options: SubscriptionOptions,
    private readonly tuning: SubscriptionTuning,
    private readonly onError: (error: unknown) => void,
  ) {
    this.#member = new GroupMember(db, options.group, options.topics, newId(), tuning.leaseMs);
    this.#free = tuning.concurrencyMax;
  }

  async start(): Promise<this> {
    await this.#member.createCursors(this.options.from);
    await this.#renew();
    this.#loop = this.#run();
    return this;
  }

  async close(): Promise<void> {
    this.#stopping = true;
    this.waker.wake();
    await this.#loop;
    await Promise.race([Promise.all(this.#running), sleep(this.tuning.drainMs, undefined, { ref: false })]);
    // Only lanes at rest are given back: a handler that still runs keeps its lease until it ends by itself.
    const lanes = [...this.#lanes.values()];
    const idle = lanes.filter((lane) => !lane.busy);
    lanes.filter((lane) => lane.busy).forEach((lane) => lane.lost.abort());
    await Promise.all(idle.map((lane) => this.#member.release(lane.lease))).catch(this.onError);
    await this.#member.leave().catch(this.onError);
  }

  async #run(): Promise<void> {
    let pauseMs = this.tuning.pollMinMs;
    while (!this.#stopping) {
      const { turn } = this.waker;
      try {
        if (Date.now() >= this.#renewAt) await this.#renew();
        const fetched = await this.#poll();
        this.#fatalFailures = 0;
        pauseMs = fetched > 0 ? this.tuning.pollMinMs : Math.min(this.tuning.pollMaxMs, pauseMs * 1.5);
      } catch (error) {
        if (this.#givesUp(error)) return;
        pauseMs = failurePauseMs;
      }
      if (this.#stopping) return;
      const untilRenewal = Math.max(1, this.#renewAt - Date.now());
      if (await this.waker.wait(turn, Math.min(pauseMs, untilRenewal))) pauseMs = this.tuning.pollMinMs;
    }
  }

  #givesUp(error: unknown): boolean {
    this.onError(error);
    if (isTransientDatabaseError(error) || ++this.#fatalFailures < fatalFailuresMax) return false;
    this.#stopping = true;
    this.options.onCrash(error instanceof Error ? error : new Error('the subscription failed'));
    return true;
  }

  async #renew(): Promise<void> {
    const started = Date.now();
    const { owned, surplus } = await this.#member.renew();
    this.#renewAt = started + this.tuning.leaseMs / 3;
    const names = new Set(owned.map(laneName));
    for (const [name, lane] of this.#lanes) if (!names.has(name)) this.#lose(name, lane);
    for (const lease of owned) {
      const lane = this.#lanes.get(laneName(lease));
      const leaseUntil = started + this.tuning.leaseMs;
      if (lane?.lease.fencingToken === lease.fencingToken) lane.leaseUntil = leaseUntil;
      else {
        if (lane) this.#lose(laneName(lease), lane);
        const { xid, position } = lease;
        const lost = new AbortController();
        this.#lanes.set(laneName(lease), { lease, xid, position, leaseUntil, lost, busy: false, releasing: false });
      }
    }
    for (const [topic, count] of surplus) await this.#giveUp(topic, count);
  }

  #lose(name: string, lane: Lane): void {
    lane.lost.abort();
    this.#lanes.delete(name);
  }

  async #giveUp(topic: string, count: number): Promise<void> {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.lease.topic === topic);
    for (const lane of lanes.slice(-count)) {
      lane.releasing = true;
      // A busy lane is released when its handler ends.
      if (!lane.busy) await this.#release(lane);
    }
  }

  async #release(lane: Lane): Promise<void> {
    this.#forget(lane);
    await this.#member.release(lane.lease);
  }

  #forget(lane: Lane): void {
    const name = laneName(lane.lease);
    if (this.#lanes.get(name) === lane) this.#lanes.delete(name);
  }

  async #poll(): Promise<number> {
    const room = this.tuning.bufferedEventsMax - this.#buffered;
    const idle = [...this.#lanes.values()].filter((lane) => !lane.busy && !lane.releasing);
    if (this.#free <= 0 || room <= 0 || idle.length === 0) return 0;
    const positions = idle.map(({ lease: { topic, partition }, xid, position }) => ({
      topic,
      partition,
      xid,
      position,
    }));
    const rows = await fetchEvents(this.db, positions, perPartitionMax, room);
    const batches = new Map<Lane, LoggedRow[]>();
    for (const row of rows) {
      const lane = idle[row.lane];
      if (!lane) continue;
      const batch = batches.get(lane) ?? [];
      batch.push(row);
      batches.set(lane, batch);
    }
    const handler = handlerOf(this.options.handler, rows);
    let taken = 0;
    for (const [lane, batch] of batches) {
      if (this.#free <= 0) break;
      taken += batch.length;
      this.#dispatch(lane, batch, handler);
    }
    return taken;
  }

  #dispatch(lane: Lane, batch: readonly LoggedRow[], handler: RunHandler): void {
    lane.busy = true;
    this.#free--;
    this.#buffered += batch.length;
    // To the end of the map: partitions take turns when there are more of them than handlers.
    this.#lanes.delete(laneName(lane.lease));
    this.#lanes.set(laneName(lane.lease), lane);
    const work = this.#handle(lane, batch, handler)
      .catch(async (error: unknown) => {
        this.onError(error);
        await sleep(failurePauseMs);
      })
      .finally(() => {
        lane.busy = false;
        this.#free++;
        this.#buffered -= batch.length;
        this.#running.delete(work);
        this.waker.wake();
      });
    this.#running.add(work);
  }

  async #handle(lane: Lane, batch: readonly LoggedRow[], handler: RunHandler): Promise<void> {
    const before = { xid: lane.xid, position: lane.position };
    let committed = before;
    let committedAt = Date.now();
    const commit = async (): Promise<void> => {
      const { xid, position } = lane;
      if (committed.xid === xid && committed.position === position) return;
      if (!(await this.#member.commit(lane.lease, xid, position))) {
        lane.lost.abort();
        this.#forget(lane);
        throw new Error(`the lease of ${laneName(lane.lease)} was lost`);
      }
      committed = { xid, position };
      committedAt = Date.now();
    };
    try {
      const events = batch.map(toEvent);
      for (let handled = 0; handled < batch.length;) {
        if (this.#stopping || lane.releasing || Date.now() >= lane.leaseUntil) break;
        handled += await handler(events.slice(handled, handled + runEventsMax), lane.lost.signal);
        const last = batch[handled - 1];
        if (!last) break;
        lane.xid = last.xid;
        lane.position = last.position;
        if (Date.now() - committedAt > commitEveryMs) await commit();
      }
    } finally {
      await commit();
    }
    if (lane.releasing) await this.#release(lane);
  }
}
