import { identity, imaging, results, topics, type Topic } from '@callosum/contracts';
import { type EventLog, handlerOf, type LogEvent, type SubscriptionOptions } from '@callosum/event-log';
import { describe, expect, it } from 'vitest';

import { follow } from './follow.js';
import { StageWatcher } from './stages.js';
import type { System } from './system.js';

const uid = '1.2.3';
const study = { studyInstanceUid: uid, files: ['a', 'b', 'c'], seriesCount: 1, description: 'three files' };

/** A log in memory: what it holds, and who listens. */
class Log {
  readonly kept: LogEvent[] = [];
  readonly #handlers: ((event: LogEvent) => Promise<number>)[] = [];

  subscribe = async ({ from, handler }: SubscriptionOptions): ReturnType<EventLog['subscribe']> => {
    const handle = (event: LogEvent): Promise<number> => handlerOf(handler, [event])([event]);
    if (from === 'earliest') for (const event of this.kept) await handle(event);
    this.#handlers.push(handle);
    return { close: () => Promise.resolve() } as never;
  };

  async tell<M>(topic: Topic<M>, message: M): Promise<void> {
    const event = { topic: topic.name, key: uid, value: JSON.stringify(topic.message.toJSON(message)) } as LogEvent;
    this.kept.push(event);
    for (const handler of this.#handlers) await handler(event);
  }
}

/** Follows the study to an outcome, with a sender that is answered for `acknowledged` files and then waits for `until`. */
async function run(log: Log, timeoutMs: number, acknowledged: number, until: Promise<unknown> = Promise.resolve()) {
  const printed: string[] = [];
  const print = (_elapsedMs: number, stage: string): void => void printed.push(stage);
  const watcher = new StageWatcher(log as never as EventLog, print);
  await watcher.start();
  const system = {
    log: log as never as EventLog,
    dimse: { host: 'h', port: 1, aeTitle: 'AE' },
    inferenceUrl: 'http://127.0.0.1:9',
    workers: true,
    startedAt: new Date(),
  } as System;
  const sent = Promise.withResolvers<void>();
  const outcome = await follow(system, watcher, study, timeoutMs, print, async ({ onProgress }) => {
    for (let i = 0; i < acknowledged; i++) onProgress?.({ file: 'a', stored: true } as never, i, 3);
    await until;
    setImmediate(sent.resolve);
    return [];
  });
  return { outcome, printed, sent: sent.promise };
}

describe('a study that is followed', () => {
  it('and late says how much of it was acknowledged, and prints no stage after that', async () => {
    const log = new Log();
    const answered = Promise.withResolvers<void>();
    const { outcome, printed, sent } = await run(log, 50, 2, answered.promise);
    expect(outcome).toEqual({
      failure: 'not within 0.05 s; 2 of 3 instances were acknowledged, and it got as far as "sending"',
    });
    answered.resolve();
    await sent;
    await log.tell(topics.studyLinked, identity.StudyLinked.fromPartial({ studyInstanceUid: uid }));
    expect(printed).toEqual(['sending']);
  });

  it('and late though it was sent before does not say that nothing was stored', async () => {
    const { outcome } = await run(new Log(), 100, 3);
    expect(outcome).toHaveProperty('failure', expect.stringContaining('3 of 3 instances were acknowledged'));
    expect(outcome).toHaveProperty('failure', expect.stringContaining('no new fact of the study was seen'));
  });

  it('and was published before says so, and ends with the report there is', async () => {
    const log = new Log();
    await log.tell(
      topics.resultPublished,
      results.ResultPublished.fromPartial({
        studyInstanceUid: uid,
        diagnosticReportReference: 'DiagnosticReport/1',
        kind: results.PublicationKind.PUBLICATION_KIND_RESULT,
      }),
    );
    const { outcome, printed } = await run(log, 60_000, 3);
    expect(outcome).toMatchObject({ published: { studyInstanceUid: uid, diagnosticReport: 'DiagnosticReport/1' } });
    expect(printed).toEqual(['sending', 'association', 'already there']);
  });

  it('and is quarantined meanwhile ends with that', async () => {
    const log = new Log();
    const stored = imaging.InstanceStored.fromPartial({ studyInstanceUid: uid, sopInstanceUid: '1' });
    const following = run(log, 60_000, 3);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await log.tell(topics.instanceStored, stored);
    await log.tell(topics.studyQuarantined, identity.StudyQuarantined.fromPartial({ studyInstanceUid: uid }));
    expect((await following).outcome).toHaveProperty('failure', expect.stringContaining('quarantined'));
  });
});
