import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import { type ServiceName, serviceNames, topicByName, topicCatalogue, topics } from './index.js';

const libs = fileURLToPath(new URL('../..', import.meta.url));

/** The files that are deployed of a package: neither specs nor what only they use. */
function sources(folder: string): string[] {
  return readdirSync(join(libs, folder, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.ts$/.test(entry.name) && !/\.spec\.ts$|-for-tests\.ts$/.test(entry.name))
    .filter((entry) => !entry.parentPath.includes('test-support'))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
}

/** Keys of `topics` that stand in a file that adds to an outbox, other than as the name of a handler's pattern. */
function added(files: readonly string[]): Set<string> {
  const adding = files.filter((file) => /outbox\s*\.add(All)?\(/i.test(file));
  return new Set(
    adding.flatMap((file) => [...file.matchAll(/\btopics\.(\w+)\b(?!\.name)/g)].map((match) => match[1] ?? '')),
  );
}

const filesOf = new Map(serviceNames.map((name) => [name, sources(`services/${name}`)] as const));
const files = (service: ServiceName): string[] => filesOf.get(service) ?? [];
const code = (service: ServiceName): string => files(service).join('\n');
const archiveAdds = added(sources('platform/archive'));
/** A service stores when it writes through the archive it was given, rows it recovers included; reading alone adds nothing. */
const stores = (service: ServiceName): boolean =>
  /usesArchive: true/.test(code(service)) && /archive\s*\.\s*(store|begin|reconcile)\(/.test(code(service));
const produces = (service: ServiceName, key: string): boolean =>
  added(files(service)).has(key) || (archiveAdds.has(key) && stores(service));

const handlers = (service: ServiceName): string[] =>
  [...code(service).matchAll(/@EventPattern(?:<[^>]*>)?\(([^),]*)/g)].map((match) => (match[1] ?? '').trim());

const entries = Object.entries(topics);

describe('topic catalogue', () => {
  it('names are <context>.<entity>.<fact>.v<major>, in the context and version of their message, once each', () => {
    for (const { name, type } of topicCatalogue) {
      expect(name).toMatch(/^[a-z]+(\.[a-z]+(-[a-z]+)*){2}\.v[1-9][0-9]*$/);
      const [context, , , major] = name.split('.');
      expect(type).toMatch(new RegExp(`^callosum\\.${context}\\.${major}\\.[A-Z]\\w+$`));
      expect(topicByName(name)?.type).toBe(type);
    }
    expect(new Set(topicCatalogue.map(({ name }) => name)).size).toBe(topicCatalogue.length);
    expect(topicByName('imaging.instance.lost.v1')).toBeUndefined();
  });

  it('every topic has a producer, and a consuming service or an outside reader with a reason', () => {
    for (const topic of topicCatalogue) {
      expect(topic.producers, topic.name).not.toEqual([]);
      expect(topic.consumers, topic.name).not.toEqual([]);
      for (const consumer of topic.consumers) {
        if (typeof consumer !== 'string') expect(consumer.external.length, topic.name).toBeGreaterThan(20);
      }
      expect(topic.partitions).toBeGreaterThan(0);
      expect(topic.retentionDays).toBeGreaterThan(0);
    }
  });

  it.each(entries)('%s: each service named as producer, and no other, adds it to an outbox', (key, topic) => {
    expect(serviceNames.filter((service) => produces(service, key))).toEqual(
      serviceNames.filter((service) => topic.producers.includes(service)),
    );
  });

  it.each(entries)('%s: each service named as consumer, and no other, handles it', (key, topic) => {
    const handling = serviceNames.filter((service) => handlers(service).includes(`topics.${key}.name`));
    expect(handling).toEqual(serviceNames.filter((service) => topic.consumers.includes(service)));
  });

  it('no service handles a topic outside the catalogue', () => {
    const known = new Set(entries.map(([key]) => `topics.${key}.name`));
    for (const service of serviceNames) {
      for (const pattern of handlers(service)) expect(known, `${service} handles ${pattern}`).toContain(pattern);
    }
  });
});
