import { setTimeout as sleep } from 'node:timers/promises';
import { topics, type imaging, type inference } from '@callosum/contracts';
import { CallosumError, newId } from '@callosum/kernel';
import type { Database } from '@callosum/database';
import { Controller, Inject, Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { context, SpanKind, trace } from '@opentelemetry/api';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import { startNodeSdk } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { sql } from 'kysely';
import { afterAll, describe, expect, it } from 'vitest';

import { onBothLogs } from '../test-support/both-logs.js';
import { collect, fact, revisionOf, until } from '../test-support/collect.js';
import { openLog, openService, type LogTarget, type OpenLog } from '../test-support/logs.js';
import {
  connectEventLog,
  currentEvent,
  EventLogContext,
  EventLogTransport,
  Inbox,
  OutboxRelay,
  ParkedStore,
  PostgresOutbox,
  together,
  type LogEvent,
} from '../index.js';

const spans = new InMemorySpanExporter();
const sdk = startNodeSdk({
  propagators: [new W3CTraceContextPropagator()],
  spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  metricReaders: [],
  logRecordProcessors: [],
  instrumentations: [],
});
afterAll(() => sdk.shutdown());

/** What the handler of the test's service does with each revision; a revision above 100 is handled. */
class Script {
  readonly failures = new Map<number, { error: Error; times: number }>();
  readonly handled: number[] = [];
  /** Revisions that came together. */
  readonly runs: number[][] = [];
  readonly seen: {
    message: imaging.StudyUpdated;
    event: LogEvent;
    current: LogEvent | undefined;
    traceId: string | undefined;
  }[] = [];

  constructor(
    readonly prefix: string,
    readonly database: Database<unknown>,
    readonly outbox: PostgresOutbox,
    readonly group: string,
  ) {}

  async run(message: imaging.StudyUpdated, event: LogEvent): Promise<void> {
    const traceId = trace.getActiveSpan()?.spanContext().traceId;
    this.seen.push({ message, event, current: currentEvent(), traceId });
    const failure = this.failures.get(message.revision);
    if (failure && failure.times-- > 0) throw failure.error;
    await this.database.db.transaction().execute(async (trx) => {
      if (!(await Inbox.once(trx, this.group, event))) return;
      await sql`insert into effects (event_id, note) values (${event.id}, 'done')`.execute(trx);
      await this.outbox.add(
        trx,
        topics.studyCompleted,
        topics.studyCompleted.message.fromJSON({ studyInstanceUid: message.studyInstanceUid }) as never,
      );
    });
    this.handled.push(message.revision);
  }
}

@Controller()
class StudyController {
  constructor(@Inject(Script) private readonly script: Script) {}

  @EventPattern<string>(topics.studyUpdated.name)
  async updated(@Payload() message: imaging.StudyUpdated, @Ctx() { event }: EventLogContext): Promise<void> {
    if (event.key.startsWith(this.script.prefix)) await this.script.run(message, event);
  }
}

interface Service {
  readonly app: INestApplication;
  readonly script: Script;
  readonly parked: ParkedStore;
  readonly transport: EventLogTransport;
  readonly log: OpenLog;
  readonly group: string;
  readonly prefix: string;
  close(): Promise<void>;
}

/** The same for facts of one key and flow together: what the script does with the last of them it does with all. */
@Controller()
class TogetherController {
  constructor(@Inject(Script) private readonly script: Script) {}

  @EventPattern<string>(topics.studyUpdated.name, together)
  async updated(
    @Payload() messages: readonly imaging.StudyUpdated[],
    @Ctx() { events }: EventLogContext,
  ): Promise<void> {
    if (!events.every(({ key }) => key.startsWith(this.script.prefix))) return;
    this.script.runs.push(messages.map(({ revision }) => revision));
    for (const [at, message] of messages.entries()) {
      const event = events[at];
      if (event) await this.script.run(message, event);
    }
  }
}

async function startService(
  target: LogTarget,
  controller: new (script: Script) => object = StudyController,
): Promise<Service> {
  const group = `group-${newId()}`;
  const prefix = `${newId()}-`;
  const log = openLog(target);
  const service = await openService(database(), `s_${newId().replaceAll('-', '')}`);
  const relay = new OutboxRelay({
    db: service.db,
    log: log.log,
    schema: service.schema,
    onError: () => undefined,
  }).start();
  const outbox = new PostgresOutbox({ service: 'study-index', onAdd: () => relay.expect() });
  const parked = new ParkedStore(service.db, outbox);
  const script = new Script(prefix, service, outbox, group);
  const transport = new EventLogTransport({
    log: log.log,
    group,
    parked,
    onCrash: (error) => {
      throw error;
    },
    backoff: { waitMs: 80, initialMs: 20, capMs: 50 },
  });
  const app = await startNest([controller], [{ provide: Script, useValue: script }], transport);
  const close = async (): Promise<void> => {
    await app.close();
    await relay.close();
    await log.close();
    await service.close();
  };
  return { app, script, parked, transport, log, group, prefix, close };
}

async function startNest(
  controllers: (new (...args: never[]) => object)[],
  providers: object[],
  transport: EventLogTransport,
): Promise<INestApplication> {
  class Root {}
  Module({ controllers, providers: providers as never })(Root);
  const app = await NestFactory.create(Root, new FastifyAdapter(), { logger: false, abortOnError: false });
  connectEventLog(app, transport);
  await app.startAllMicroservices();
  await app.init();
  return app;
}

class Broken extends CallosumError {
  constructor(kind: 'invalid' | 'unavailable') {
    super(`test.${kind}`, kind, 'as the test wants it');
  }
}

const database = onBothLogs('handlers', handlers);

function handlers(target: () => LogTarget): void {
  it('gets the decoded message in the trace of its producer, and names the event as the cause of what follows', async () => {
    const service = await startService(target());
    const { prefix, script, log } = service;
    const sent: LogEvent[] = [];
    const watcher = await log.log.subscribe({
      group: `watch-${newId()}`,
      topics: [topics.studyCompleted.name],
      from: 'earliest',
      onCrash: () => undefined,
      handler: (event) => {
        if (event.key.startsWith(prefix)) sent.push(event);
        return Promise.resolve();
      },
    });
    const edge = trace.getTracer('test').startSpan('association');
    await context.with(trace.setSpan(context.active(), edge), async () => {
      await script.database.db
        .transaction()
        .execute((trx) =>
          script.outbox.add(
            trx,
            topics.studyUpdated,
            topics.studyUpdated.message.fromJSON({ studyInstanceUid: `${prefix}k`, revision: 101 }),
            { correlationId: 'transfer-1' },
          ),
        );
    });
    edge.end();
    await until('the event that follows', () => sent.length === 1);
    const seen = script.seen[0];
    expect(seen?.message.revision).toBe(101);
    expect(seen?.event.source).toBe('/callosum/study-index');
    expect(seen?.current).toBe(seen?.event);
    expect(seen?.traceId).toBe(edge.spanContext().traceId);
    expect(sent[0]?.causationId).toBe(seen?.event.id);
    expect(sent[0]?.correlationId).toBe('transfer-1');
    const span = spans.getFinishedSpans().find((found) => found.attributes['messaging.message.id'] === seen?.event.id);
    expect(span?.kind).toBe(SpanKind.CONSUMER);
    expect(span?.parentSpanContext?.spanId).toBe(edge.spanContext().spanId);
    expect(span?.attributes['callosum.group']).toBe(service.group);
    expect(sent[0]?.traceparent).toContain(`${edge.spanContext().traceId}-${span?.spanContext().spanId ?? ''}`);
    await watcher.close();
    await service.close();
  });

  it('tries transient errors again and then goes on in order', async () => {
    const service = await startService(target());
    const { prefix, script, log, parked, group } = service;
    script.failures.set(1, { error: new Broken('unavailable'), times: 2 });
    await log.log.append([fact(`${prefix}k`, 1), fact(`${prefix}k`, 2)]);
    await until('both', () => script.handled.length === 2);
    expect(script.handled).toEqual([1, 2]);
    expect(script.seen.map(({ message }) => message.revision)).toEqual([1, 1, 1, 2]);
    expect(await parked.list(group)).toEqual([]);
    await service.close();
  });

  it('makes the effect of an event once, however often it comes', async () => {
    const service = await startService(target());
    const { prefix, script, log } = service;
    const event = fact(`${prefix}k`, 1);
    await log.log.append([event, event, fact(`${prefix}k`, 2)]);
    await until('all', () => script.handled.length === 3);
    const { rows } = await sql`select event_id from effects where event_id = ${event.id}`.execute(script.database.db);
    expect(rows).toHaveLength(1);
    await service.close();
  });

  it('parks a key whose fact fails, lets other keys go on, and replays in order with the same ids, for this group only', async () => {
    const service = await startService(target());
    const { prefix, script, log, parked, group, transport } = service;
    const other = await collect(log.log, `other-${newId()}`, prefix);
    script.failures.set(2, { error: new Broken('invalid'), times: 1 });
    script.failures.set(3, { error: new Broken('invalid'), times: 1 });
    const key = `${prefix}bad`;
    const facts = [1, 2, 3, 4].map((revision) => fact(key, revision));
    await log.log.append(facts);
    await log.log.append([fact(`${prefix}good`, 50)]);
    await until('three parked', async () => (await parked.list(group)).length === 3);
    await until('the other key', () => script.handled.includes(50));
    expect(script.handled.filter((revision) => revision < 50)).toEqual([1]);
    const list = await parked.list(group, topics.studyUpdated.name);
    expect(list.map((entry) => [revisionOf(entry.event), entry.errorCode])).toEqual([
      [2, 'test.invalid'],
      [3, 'event-log.behind-parked'],
      [4, 'event-log.behind-parked'],
    ]);
    await until('the other group', () => other.events.length === 5);

    const topic = topics.studyUpdated.name;
    expect(await transport.replay({ topic, key })).toEqual({ replayed: 1, left: 2, errorCode: 'test.invalid' });
    await log.log.append([fact(key, 5)]);
    await until('the late one behind', async () => (await parked.list(group)).length === 3);
    expect(await transport.replay({ topic, key })).toEqual({ replayed: 3, left: 0 });
    await log.log.append([fact(key, 6)]);
    await until('the key is open again', () => script.handled.includes(6));
    expect(script.handled.filter((revision) => revision < 50)).toEqual([1, 2, 3, 4, 5, 6]);
    const ids = script.seen.filter(({ event }) => event.key === key).map(({ event }) => event.id);
    expect(new Set(ids)).toEqual(new Set([...facts.map(({ id }) => id), ...ids.slice(-2)]));
    await sleep(200);
    expect(other.events).toHaveLength(7);
    await service.close();
  });

  it('gets facts of one key and flow together, each in its own trace, and the last is the cause of what follows', async () => {
    const service = await startService(target(), TogetherController);
    const { prefix, script, log } = service;
    const [one, other] = [newId(), newId()];
    const traces = ['a', 'b'].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`);
    const facts = [1, 2, 3, 4].map((revision) =>
      fact(`${prefix}k`, revision, {
        correlationId: revision < 4 ? one : other,
        ...(traces[revision - 1] ? { traceparent: traces[revision - 1] } : {}),
      }),
    );
    await log.log.append(facts);
    await until('all', () => script.handled.length === 4);
    expect(script.handled).toEqual([1, 2, 3, 4]);
    expect(script.runs).toEqual([[1, 2, 3], [4]]);
    expect(script.seen.map(({ current }) => current?.id)).toEqual([2, 2, 2, 3].map((at) => facts[at]?.id));
    for (const [at, digit] of ['a', 'b'].entries()) {
      const found = spans.getFinishedSpans().find((span) => span.attributes['messaging.message.id'] === facts[at]?.id);
      expect(found?.spanContext().traceId).toBe(digit.repeat(32));
      expect(found?.attributes['messaging.batch.message_count']).toBe(3);
    }
    await service.close();
  });

  it('gets them one by one where they fail together: the effect of each is made once, and one that is broken is parked', async () => {
    const service = await startService(target(), TogetherController);
    const { prefix, script, log, parked, group } = service;
    const flow = { correlationId: newId() };
    script.failures.set(2, { error: new Broken('unavailable'), times: 1 });
    const facts = [1, 2, 3].map((revision) => fact(`${prefix}k`, revision, flow));
    script.failures.set(4, { error: new Broken('invalid'), times: 2 });
    await log.log.append([...facts, fact(`${prefix}k`, 4, flow), fact(`${prefix}l`, 5, flow)]);
    await until('all but the broken one', () => script.handled.includes(3) && script.handled.includes(5));
    await until('that parked', async () => (await parked.list(group)).length === 1);
    const ids = facts.map(({ id }) => id);
    const { rows } = await sql`select event_id from effects where event_id = any(${ids}::text[])`.execute(
      script.database.db,
    );
    expect(rows).toHaveLength(3);
    expect((await parked.list(group)).map(({ errorCode }) => errorCode)).toEqual(['test.invalid']);
    await service.close();
  });

  it('parks what it cannot read: broken JSON, a value without its key, an unknown type', async () => {
    const service = await startService(target());
    const { prefix, script, log, parked, group } = service;
    await log.log.append([
      fact(`${prefix}a`, 1, { value: '{"studyInstanceUid":' }),
      fact(`${prefix}b`, 1, { value: '{}' }),
      fact(`${prefix}c`, 1, { type: 'callosum.imaging.v9.Unheard' }),
      fact(`${prefix}d`, 7),
    ]);
    await until(
      'the good one and three parked',
      async () => script.handled.includes(7) && (await parked.list(group)).length === 3,
    );
    const codes = new Map(
      (await parked.list(group)).map((entry) => [entry.event.key.slice(prefix.length), entry.errorCode]),
    );
    expect(codes).toEqual(
      new Map([
        ['a', 'event-log.malformed'],
        ['b', 'event-log.malformed'],
        ['c', 'event-log.unknown-type'],
      ]),
    );
    await service.close();
  });
}

describe('a service that is wired wrongly does not start', () => {
  const transport = (): EventLogTransport =>
    new EventLogTransport({
      log: undefined as never,
      group: 'g',
      parked: undefined as never,
      onCrash: () => undefined,
    });

  it('with two handlers for one topic', async () => {
    @Controller()
    class Twice {
      @EventPattern<string>(topics.jobFailed.name)
      first(_message: inference.JobFailed): void {}
      @EventPattern<string>(topics.jobFailed.name)
      second(_message: inference.JobFailed): void {}
    }
    await expect(startNest([Twice], [], transport())).rejects.toThrow('has two handlers');
  });

  it('with a handler for a topic in no catalogue', async () => {
    @Controller()
    class Stray {
      @EventPattern<string>('imaging.study.imagined.v1')
      stray(): void {}
    }
    await expect(startNest([Stray], [], transport())).rejects.toThrow('in no catalogue');
  });

  it('with a handler that answers', async () => {
    @Controller()
    class Asked {
      @MessagePattern(topics.jobFailed.name)
      ask(): string {
        return 'no';
      }
    }
    await expect(startNest([Asked], [], transport())).rejects.toThrow('no @EventPattern');
  });
});
