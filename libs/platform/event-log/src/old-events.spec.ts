import { readFileSync } from 'node:fs';
import { topicByName, topicCatalogue, type Topic } from '@callosum/contracts';
import type { KafkaMessage } from 'kafkajs';
import { describe, expect, it } from 'vitest';

import { decodeEvent } from './decode.js';
import { fromMessage } from './kafka/headers.js';

/** One Kafka record as a version wrote it; key, header values and value in base64: bytes, not what we make of them. */
interface RecordedEvent {
  readonly topic: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly value: string;
}

const recorded = (version: string): RecordedEvent[] =>
  JSON.parse(readFileSync(new URL(`./fixtures/records-${version}.json`, import.meta.url), 'utf8')) as RecordedEvent[];
const bytes = (text: string): Buffer => Buffer.from(text, 'base64');

/**
 * Reads a record with today's code as a consumer does: envelope, declared type, decoder, key.
 * @returns the fields of the old value that today's message no longer carries
 * @throws when today's code would park it
 */
function lostFields(record: RecordedEvent, topic: Topic<never>): string[] {
  const message: KafkaMessage = {
    key: bytes(record.key),
    value: bytes(record.value),
    headers: Object.fromEntries(Object.entries(record.headers).map(([name, value]) => [name, bytes(value)])),
    timestamp: '0',
    attributes: 0,
    offset: '0',
  };
  const event = fromMessage(record.topic, 0, message);
  if (event.type !== topic.type) throw new TypeError(`${record.topic} declares another type today`);
  const today = topic.message.toJSON(decodeEvent(topic, event) as never);
  return missing(JSON.parse(event.value), today, '');
}

/** Paths of `before` that `after` lacks or has with another value. */
function missing(before: unknown, after: unknown, path: string): string[] {
  if (typeof before !== 'object' || before === null) return Object.is(before, after) ? [] : [path];
  if (typeof after !== 'object' || after === null) return [path];
  return Object.entries(before).flatMap(([name, value]) =>
    missing(value, (after as Record<string, unknown>)[name], `${path}/${name}`),
  );
}

/** Today's topic with a message that was changed as somebody might. */
const changed = (topic: Topic<never>, message: Partial<Topic<never>['message']>): Topic<never> => ({
  ...topic,
  message: { ...topic.message, ...message },
});
const renamed = (json: unknown, from: string, to: string): unknown =>
  JSON.parse(JSON.stringify(json).replaceAll(`"${from}":`, `"${to}":`));

describe.each(['0.1'])('events that version %s wrote', (version) => {
  const records = recorded(version);
  const first = records.find(({ topic }) => topic === 'imaging.study.updated.v1');

  it('are of every topic it had', () => {
    expect(records.map(({ topic }) => topic).sort()).toEqual([...new Set(records.map(({ topic }) => topic))].sort());
    expect(records.length).toBeGreaterThanOrEqual(10);
    if (version === '0.1') expect(records.length).toBeLessThanOrEqual(topicCatalogue.length);
  });

  it.each(records.map((record) => [record.topic, record] as const))(
    '%s is read whole by today’s code',
    (name, record) => {
      const topic = topicByName(name);
      if (!topic) throw new Error(`${name} left the catalogue while events of it may be kept`);
      expect(lostFields(record, topic)).toEqual([]);
    },
  );

  it('keep every attribute of the envelope', () => {
    for (const record of records) {
      const headers = Object.fromEntries(Object.entries(record.headers).map(([name, value]) => [name, bytes(value)]));
      const message = {
        key: bytes(record.key),
        value: bytes(record.value),
        timestamp: '0',
        attributes: 0,
        offset: '0',
        headers,
      };
      const event = fromMessage(record.topic, 0, message);
      const text = (name: string): string | undefined => headers[name]?.toString('utf8');
      expect([event.id, event.source, event.site, event.correlationId]).toEqual(
        ['ce_id', 'ce_source', 'ce_site', 'ce_correlationid'].map(text),
      );
      expect([event.time.toISOString(), event.causationId, event.traceparent]).toEqual(
        ['ce_time', 'ce_causationid', 'traceparent'].map(text),
      );
    }
  });

  it('would fail on a renamed field, a changed type, a lost key and a renamed message', () => {
    const topic = first && topicByName(first.topic);
    if (!first || !topic) throw new Error('no record');
    const { fromJSON } = topic.message;
    const lost = changed(topic, { fromJSON: (json) => fromJSON(renamed(json, 'revision', 'studyRevision')) });
    expect(lostFields(first, lost)).toEqual(['/revision']);
    const retyped = changed(topic, {
      toJSON: (message) => ({ ...(topic.message.toJSON(message) as object), revision: '1' }),
    });
    expect(lostFields(first, retyped)).toEqual(['/revision']);
    const keyless = changed(topic, { fromJSON: (json) => fromJSON(renamed(json, 'studyInstanceUid', 'study')) });
    expect(() => lostFields(first, keyless)).toThrow('ProtoJSON of its declared message');
    expect(() => lostFields(first, { ...topic, type: 'callosum.imaging.v1.StudyChanged' })).toThrow('another type');
  });
});
