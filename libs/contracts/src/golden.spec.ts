import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { topicCatalogue } from './index.js';

/** ProtoJSON as it stands in the log of a running site. A change here is a change of the contract: mind what is deployed. */
const folder = fileURLToPath(new URL('./golden/', import.meta.url));
const golden = (type: string): string => readFileSync(`${folder}${type}.json`, 'utf8');

describe('golden events', () => {
  it('there is one for the message of every topic, and no other', () => {
    expect(readdirSync(folder).sort()).toEqual(topicCatalogue.map(({ type }) => `${type}.json`).sort());
  });

  it.each(topicCatalogue.map((topic) => [topic.type, topic] as const))(
    '%s is read and written byte for byte',
    (type, topic) => {
      const text = golden(type);
      const written = topic.message.toJSON(topic.message.fromJSON(JSON.parse(text)));
      expect(`${JSON.stringify(written, null, 2)}\n`).toBe(text);
    },
  );

  it.each(topicCatalogue.map((topic) => [topic.type, topic] as const))(
    '%s has a key and goes through the wire unchanged',
    (type, topic) => {
      const message = topic.message.fromJSON(JSON.parse(golden(type)));
      expect(topic.keyOf(message)).not.toBe('');
      const back = topic.message.decode(topic.message.encode(message).finish());
      expect(topic.message.toJSON(back)).toEqual(JSON.parse(golden(type)));
    },
  );

  it('fields a later version adds are passed over, absent ones are empty', () => {
    for (const topic of topicCatalogue) {
      const message = topic.message.fromJSON({
        ...(JSON.parse(golden(topic.type)) as object),
        addedLater: { deep: [1] },
      });
      expect(topic.message.toJSON(message)).toEqual(JSON.parse(golden(topic.type)));
      expect(topic.message.toJSON(topic.message.fromJSON({}))).toEqual({});
    }
  });
});
