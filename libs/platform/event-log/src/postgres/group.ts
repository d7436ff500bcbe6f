import { sql } from 'kysely';

import { partitionsOf } from '../partition.js';
import type { SqlDatabase, SqlTransaction } from '../sql.js';

export interface Lease {
  readonly topic: string;
  readonly partition: number;
  /** Where reading goes on: events after (xid, position). */
  readonly xid: string;
  readonly position: number;
  /** Rises with each new owner: an owner that lost its lease can no longer move the cursor. */
  readonly fencingToken: number;
}

export interface Renewal {
  /** Everything this member owns after the renewal. */
  readonly owned: readonly Lease[];
  /** Partitions above this member's fair share, per topic. */
  readonly surplus: ReadonlyMap<string, number>;
}

interface Move {
  readonly lease: Lease;
  readonly xid: string;
  readonly position: number;
  readonly resolve: (mine: boolean) => void;
  readonly reject: (error: unknown) => void;
}

const nameOf = ({ topic, partition, fencingToken }: Pick<Lease, 'topic' | 'partition' | 'fencingToken'>): string =>
  `${topic}/${partition}/${fencingToken}`;

/** One member of a consumer group: its partitions are rows with `lease_until` and a fencing token. */
export class GroupMember {
  readonly #moves: Move[] = [];

  constructor(
    private readonly db: SqlDatabase,
    private readonly group: string,
    private readonly topics: readonly string[],
    private readonly member: string,
    private readonly leaseMs: number,
  ) {}

  /** Makes the cursors that are missing. `latest` starts before every transaction that is still open. */
  async createCursors(from: 'earliest' | 'latest'): Promise<void> {
    const start = from === 'earliest' ? sql`'0'::xid8` : sql`pg_snapshot_xmin(pg_current_snapshot())`;
    for (const topic of this.topics) {
      await sql`
        insert into event_log.cursors (consumer_group, topic, partition, xid, position)
        select ${this.group}, ${topic}, partition, ${start}, 0
        from generate_series(0, ${partitionsOf(topic) - 1}::int) as partition
        order by partition
        on conflict do nothing`.execute(this.db);
    }
  }

  /** Prolongs what this member owns and claims free partitions up to its fair share. */
  renew(): Promise<Renewal> {
    return this.db.transaction().execute(async (trx) => {
      await this.#beat(trx);
      const shares = await this.#shares(trx);
      const kept = await this.#prolong(trx);
      const surplus = new Map<string, number>();
      for (const topic of this.topics) {
        const share = shares.get(topic) ?? partitionsOf(topic);
        const count = kept.filter((lease) => lease.topic === topic).length;
        if (count > share) surplus.set(topic, count - share);
        if (count < share) kept.push(...(await this.#claim(trx, topic, share - count)));
      }
      return { owned: kept, surplus };
    });
  }

  /**
   * Cursors that are moved at about the same time are one statement: partitions of little traffic end their batches together.
   * @returns false when the lease is another member's by now
   */
  commit(lease: Lease, xid: string, position: number): Promise<boolean> {
    const { promise, resolve, reject } = Promise.withResolvers<boolean>();
    if (this.#moves.push({ lease, xid, position, resolve, reject }) === 1) setImmediate(() => void this.#commitAll());
    return promise;
  }

  async #commitAll(): Promise<void> {
    const moves = this.#moves.splice(0);
    const leases = moves.map(({ lease }) => lease);
    try {
      const { rows } = await sql<Pick<Lease, 'topic' | 'partition' | 'fencingToken'>>`
        with moved as (
          select c.topic, c.partition, m.xid, m.position
          from event_log.cursors as c join unnest(
            ${leases.map(({ topic }) => topic)}::text[],
            ${leases.map(({ partition }) => partition)}::int[],
            ${leases.map(({ fencingToken }) => fencingToken)}::bigint[],
            ${moves.map(({ xid }) => xid)}::text[],
            ${moves.map(({ position }) => position)}::bigint[]
          ) as m (topic, partition, fencing_token, xid, position) using (topic, partition, fencing_token)
          where c.consumer_group = ${this.group} and c.owner = ${this.member}
          order by c.topic, c.partition for update of c
        )
        update event_log.cursors as c set xid = moved.xid::xid8, position = moved.position, touched_at = now()
        from moved where c.consumer_group = ${this.group} and c.topic = moved.topic and c.partition = moved.partition
        returning c.topic, c.partition, c.fencing_token as "fencingToken"`.execute(this.db);
      const done = new Set(rows.map(nameOf));
      for (const { lease, resolve } of moves) resolve(done.has(nameOf(lease)));
    } catch (error) {
      for (const { reject } of moves) reject(error);
    }
  }

  async release(lease: Lease): Promise<void> {
    await sql`
      update event_log.cursors set owner = null, lease_until = null where ${this.#mine(lease)}`.execute(this.db);
  }

  async leave(): Promise<void> {
    await sql`
      delete from event_log.members where consumer_group = ${this.group} and member = ${this.member}`.execute(this.db);
  }

  #mine(lease: Lease): ReturnType<typeof sql> {
    return sql`consumer_group = ${this.group} and topic = ${lease.topic} and partition = ${lease.partition}
      and owner = ${this.member} and fencing_token = ${lease.fencingToken}`;
  }

  async #beat(trx: SqlTransaction): Promise<void> {
    await sql`
      insert into event_log.members (consumer_group, topic, member, lease_until)
      select ${this.group}, topic, ${this.member}, now() + ${this.#lease()}
      from unnest(${this.topics}::text[]) as topic order by topic
      on conflict (consumer_group, topic, member) do update set lease_until = excluded.lease_until`.execute(trx);
    await sql`
      delete from event_log.members where ctid = any (array(
        select ctid from event_log.members where consumer_group = ${this.group} and lease_until < now()
        for update skip locked))`.execute(trx);
  }

  async #shares(trx: SqlTransaction): Promise<Map<string, number>> {
    const { rows } = await sql<{ topic: string; members: number }>`
      select topic, count(*)::int as members from event_log.members
      where consumer_group = ${this.group} and lease_until >= now() group by topic`.execute(trx);
    return new Map(rows.map(({ topic, members }) => [topic, Math.ceil(partitionsOf(topic) / Math.max(1, members))]));
  }

  /** Rows are locked in the order in which commits lock them. */
  async #prolong(trx: SqlTransaction): Promise<Lease[]> {
    const { rows } = await sql<Lease>`
      with mine as (
        select topic, partition from event_log.cursors
        where consumer_group = ${this.group} and owner = ${this.member} and topic = any(${this.topics}::text[])
        order by topic, partition for update
      )
      update event_log.cursors as c set lease_until = now() + ${this.#lease()}
      from mine where c.consumer_group = ${this.group} and c.topic = mine.topic and c.partition = mine.partition
      returning c.topic, c.partition, c.xid::text as xid, c.position, c.fencing_token as "fencingToken"`.execute(trx);
    return [...rows];
  }

  async #claim(trx: SqlTransaction, topic: string, count: number): Promise<readonly Lease[]> {
    const { rows } = await sql<Lease>`
      update event_log.cursors as c
      set owner = ${this.member}, lease_until = now() + ${this.#lease()}, fencing_token = c.fencing_token + 1
      from (
        select partition from event_log.cursors
        where consumer_group = ${this.group} and topic = ${topic} and (owner is null or lease_until < now())
        order by partition limit ${count}::int for update skip locked
      ) as free
      where c.consumer_group = ${this.group} and c.topic = ${topic} and c.partition = free.partition
      returning c.topic, c.partition, c.xid::text as xid, c.position, c.fencing_token as "fencingToken"`.execute(trx);
    return rows;
  }

  #lease(): ReturnType<typeof sql> {
    return sql`make_interval(secs => ${this.leaseMs / 1000}::float8)`;
  }
}
