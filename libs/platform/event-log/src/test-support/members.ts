import { topics, type imaging } from '@callosum/contracts';
import type { Database, DatabaseConfig } from '@callosum/database';
import { CallosumError, newId } from '@callosum/kernel';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, Payload } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { sql } from 'kysely';

import { connectEventLog, EventLogContext, EventLogTransport, Inbox, ParkedStore, PostgresOutbox } from '../index.js';
import type { LogEvent } from '../event.js';
import { openLog, openService, type LogTarget } from './logs.js';

/** What a handler meets, by kind: a dependency that is away, a defect of the fact. */
export class Failure extends CallosumError {
  constructor(kind: 'invalid' | 'unavailable') {
    super(`test.${kind}`, kind, 'as the test wants it');
  }
}

export interface Call {
  readonly event: LogEvent;
  readonly revision: number;
  readonly member: number;
  readonly at: number;
}

/** One service of several replicas that write one effect an event, with pauses of parts of a second. */
export class Members {
  readonly group = `group-${newId()}`;
  readonly prefix = `${newId()}-`;
  readonly calls: Call[] = [];
  /** Of calls that ended well, in order. */
  readonly handled: Call[] = [];
  /** Keys that were ever handled by two at once; there should be none. */
  readonly overlaps: string[] = [];
  readonly errors: unknown[] = [];
  readonly transports: EventLogTransport[] = [];
  /** Throws what the call should meet, waits as long as it should take. */
  script: (call: Call) => Promise<void> | void = () => undefined;
  readonly #busy = new Set<string>();
  readonly #closers: (() => Promise<void>)[] = [];

  private constructor(
    readonly target: LogTarget,
    readonly database: Database<unknown>,
    readonly parked: ParkedStore,
  ) {}

  static async start(target: LogTarget, config: DatabaseConfig, count: number): Promise<Members> {
    const database = await openService(config, `s_${newId().replaceAll('-', '')}`);
    const outbox = new PostgresOutbox({ service: 'study-index' });
    const parked = new ParkedStore(database.db, outbox, { initialMs: 200, capMs: 1_000 });
    const members = new Members(target, database, parked);
    for (let member = 0; member < count; member++) await members.#join(member);
    return members;
  }

  async append(...events: LogEvent[]): Promise<void> {
    const { log, close } = openLog(this.target);
    await log.append(events);
    await close();
  }

  /** Revisions of one key that were handled, in order. */
  handledOf(key: string): number[] {
    return this.handled.filter(({ event }) => event.key === key).map(({ revision }) => revision);
  }

  async effects(): Promise<string[]> {
    const { rows } = await sql<{ event_id: string }>`select event_id from effects order by id`.execute(
      this.database.db,
    );
    return rows.map(({ event_id }) => event_id);
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    await this.database.close();
  }

  async #join(member: number): Promise<void> {
    const { log, close } = openLog(this.target);
    const transport = new EventLogTransport({
      log,
      group: this.group,
      parked: this.parked,
      onCrash: (error) => {
        throw error;
      },
      backoff: { waitMs: 80, initialMs: 20, capMs: 50 },
      replays: { onReplayError: (error) => this.errors.push(error) },
      replayerTuning: { lookEveryMs: 50, awayPauseMs: 200, hastenEveryMs: 500 },
    });
    const run = (message: imaging.StudyUpdated, event: LogEvent) => this.#run(message, event, member);
    class Root {}
    Module({ controllers: [StudyController], providers: [{ provide: runToken, useValue: run }] })(Root);
    const app = await NestFactory.create(Root, new FastifyAdapter(), { logger: false, abortOnError: false });
    connectEventLog(app, transport);
    await app.startAllMicroservices();
    await app.init();
    this.transports.push(transport);
    this.#closers.push(close, () => app.close());
  }

  async #run({ revision }: imaging.StudyUpdated, event: LogEvent, member: number): Promise<void> {
    if (!event.key.startsWith(this.prefix)) return;
    if (this.#busy.has(event.key)) this.overlaps.push(event.key);
    this.#busy.add(event.key);
    try {
      const call = { event, revision, member, at: Date.now() };
      this.calls.push(call);
      await this.script(call);
      await this.database.db.transaction().execute(async (trx) => {
        if (!(await Inbox.once(trx, this.group, event))) return;
        await sql`insert into effects (event_id, note) values (${event.id}, 'done')`.execute(trx);
      });
      this.handled.push(call);
    } finally {
      this.#busy.delete(event.key);
    }
  }
}

const runToken = Symbol('run');

@Controller()
class StudyController {
  constructor(@Inject(runToken) private readonly run: (message: imaging.StudyUpdated, event: LogEvent) => unknown) {}

  @EventPattern<string>(topics.studyUpdated.name)
  async updated(@Payload() message: imaging.StudyUpdated, @Ctx() { event }: EventLogContext): Promise<void> {
    await this.run(message, event);
  }
}
