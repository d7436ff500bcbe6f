import { identity, results, type Topic, topics } from '@callosum/contracts';
import { type EventLog, handlerOf, type LogEvent } from '@callosum/event-log';
import { describe, expect, it } from 'vitest';

import { earlierOutcome } from './earlier-outcome.js';

/** A log that holds these facts already, in this order. */
const logOf = (...facts: LogEvent[]): EventLog =>
  ({
    subscribe: async ({ topics: asked, handler }) => {
      for (const fact of facts) if (asked.includes(fact.topic)) await handlerOf(handler, facts)([fact]);
      return { close: () => Promise.resolve() };
    },
  }) as Partial<EventLog> as EventLog;

const eventOf = <M extends { studyInstanceUid: string }>(topic: Topic<M>, message: M): LogEvent => ({
  topic: topic.name,
  key: message.studyInstanceUid,
  id: 'e',
  type: topic.type,
  source: '/callosum/test',
  time: new Date(),
  site: 'default',
  correlationId: 'c',
  value: JSON.stringify(topic.message.toJSON(message)),
});
const linked = (decidedAt: string) =>
  eventOf(topics.studyLinked, identity.StudyLinked.fromPartial({ studyInstanceUid: '1.2', decidedAt }));
const quarantined = (decidedAt: string) =>
  eventOf(
    topics.studyQuarantined,
    identity.StudyQuarantined.fromPartial({
      studyInstanceUid: '1.2',
      decidedAt,
      reasons: [identity.QuarantineReason.QUARANTINE_REASON_SEX_CONTRADICTS],
    }),
  );
const published = (diagnosticReportReference: string, studyInstanceUid = '1.2') =>
  eventOf(
    topics.resultPublished,
    results.ResultPublished.fromPartial({
      studyInstanceUid,
      diagnosticReportReference,
      kind: results.PublicationKind.PUBLICATION_KIND_RESULT,
    }),
  );

describe('a study that was sent before', () => {
  it('is answered with its own result that was published last', async () => {
    const log = logOf(
      linked('2026-01-01T00:00:00Z'),
      published('DiagnosticReport/1'),
      published('DiagnosticReport/9', '7'),
    );
    expect(await earlierOutcome(log, '1.2', 5)).toMatchObject({
      published: { diagnosticReport: 'DiagnosticReport/1', elapsedMs: 5 },
    });
  });

  it('that lies in quarantine is said to, at once and with the reasons', async () => {
    const log = logOf(
      linked('2026-01-01T00:00:00Z'),
      published('DiagnosticReport/1'),
      quarantined('2026-01-02T00:00:00Z'),
    );
    expect(await earlierOutcome(log, '1.2', 5)).toEqual({
      failure: 'the study is quarantined (sex contradicts): a person must decide whose it is',
    });
  });

  it('that a person released counts as released, in whatever order the two topics come', async () => {
    const log = logOf(
      published('DiagnosticReport/1'),
      linked('2026-01-03T00:00:00Z'),
      quarantined('2026-01-02T00:00:00Z'),
    );
    expect(await earlierOutcome(log, '1.2', 5)).toHaveProperty('published');
  });

  it('is unknown when the log holds nothing of it', async () => {
    expect(await earlierOutcome(logOf(published('DiagnosticReport/9', '7')), '1.2', 5)).toBeUndefined();
  });
});
