import kafkajs, { type Admin } from 'kafkajs';

import { recordBytesMax, valueBytesMax } from '../envelope.js';
import type { TopicDifference } from './topic-difference.js';
import { productionInSync, productionReplication, type WantedTopic } from './topics.js';

/** One topic as the cluster has it: replicas of its least replicated partition, and its effective settings. */
export interface LiveTopic {
  readonly partitions: number;
  readonly replicas: number;
  readonly config: ReadonlyMap<string, string>;
}

const offsetsTopic = '__consumer_offsets';
const topicSettings = [
  'cleanup.policy',
  'retention.ms',
  'retention.bytes',
  'message.timestamp.type',
  'max.message.bytes',
  'min.insync.replicas',
  'unclean.leader.election.enable',
];
const brokerSettings = [
  'unclean.leader.election.enable',
  'min.insync.replicas',
  'offsets.topic.replication.factor',
  'default.replication.factor',
];
const whyReplicated = 'an acknowledged event is to survive the loss of a broker';

/** Compares the live topics and the brokers' defaults with what the catalogue and production ask for. */
export async function findDifferences(admin: Admin, wanted: readonly WantedTopic[]): Promise<TopicDifference[]> {
  const names = wanted.map(({ topic }) => topic);
  const offsets = (await admin.listTopics()).includes(offsetsTopic) ? [offsetsTopic] : [];
  const [{ topics }, { brokers }] = await Promise.all([
    admin.fetchTopicMetadata({ topics: [...names, ...offsets] }),
    admin.describeCluster(),
  ]);
  const configs = await describe(admin, kafkajs.ConfigResourceTypes.TOPIC, names, topicSettings);
  const brokerConfigs = await describe(
    admin,
    kafkajs.ConfigResourceTypes.BROKER,
    brokers.map(({ nodeId }) => String(nodeId)),
    brokerSettings,
  );
  const live = new Map(
    topics.map(({ name, partitions }) => [
      name,
      {
        partitions: partitions.length,
        replicas: Math.min(...partitions.map(({ replicas }) => replicas.length)),
        config: configs.get(name) ?? new Map<string, string>(),
      },
    ]),
  );
  return [
    ...wanted.flatMap((topic) => {
      const found = live.get(topic.topic);
      return found ? topicDifferences(topic, found) : [];
    }),
    ...offsets.flatMap((topic) => replication(topic, live.get(topic)?.replicas ?? 0)),
    ...[...brokerConfigs].flatMap(([id, config]) => brokerDifferences(`broker ${id}`, config)),
  ];
}

/** Exported for tests: what is wrong with one topic. */
export function topicDifferences({ topic, partitions, retentionMs }: WantedTopic, live: LiveTopic): TopicDifference[] {
  const setting = (name: string): string => live.config.get(name) ?? '';
  const found: (Omit<TopicDifference, 'where' | 'found'> & { found?: string })[] = [];
  if (setting('cleanup.policy') !== 'delete')
    found.push(loses('cleanup.policy', 'delete', 'compaction removes all but the last fact of a key'));
  const retention = Number(setting('retention.ms'));
  if (retention !== -1 && retention < retentionMs)
    found.push(loses('retention.ms', String(retentionMs), 'events would be gone before a consumer that is down reads'));
  else if (retention !== retentionMs)
    found.push(
      differs('retention.ms', String(retentionMs), 'an inbox forgets sooner than the topic: do not rewind it'),
    );
  if (setting('retention.bytes') !== '-1')
    found.push(loses('retention.bytes', '-1', 'a busy day would push out what nobody has read yet'));
  if (setting('message.timestamp.type') !== 'LogAppendTime')
    found.push(
      loses('message.timestamp.type', 'LogAppendTime', 'a clock that is behind would make events expire unread'),
    );
  if (Number(setting('max.message.bytes')) < recordBytesMax)
    found.push(
      loses(
        'max.message.bytes',
        `${recordBytesMax} or more`,
        `an event of ${valueBytesMax} bytes would block its outbox`,
      ),
    );
  if (live.partitions !== partitions)
    found.push({
      ...differs('partitions', String(partitions), 'they bound a group’s replicas'),
      found: String(live.partitions),
    });
  const here = found.map((entry) => ({ where: topic, found: setting(entry.setting), ...entry }));
  return [...here, ...replication(topic, live.replicas), ...inSync(topic, live.config, live.replicas)];
}

function brokerDifferences(where: string, config: ReadonlyMap<string, string>): TopicDifference[] {
  const offsets = 'offsets.topic.replication.factor';
  const fallback = 'default.replication.factor';
  const value = (name: string): number => Number(config.get(name));
  return [
    ...inSync(where, config, productionReplication),
    ...(value(offsets) < productionReplication
      ? [unreplicated(where, offsets, `${productionReplication} or more`, config.get(offsets))]
      : []),
    ...(value(fallback) < productionReplication
      ? [
          {
            ...unreplicated(where, fallback, `${productionReplication} or more`, config.get(fallback)),
            danger: 'differs' as const,
            why: 'topics of others would be unreplicated; ours name their number',
          },
        ]
      : []),
  ];
}

function replication(where: string, replicas: number): TopicDifference[] {
  if (replicas >= productionReplication) return [];
  return [unreplicated(where, 'replication factor', `${productionReplication} or more`, String(replicas))];
}

function inSync(where: string, config: ReadonlyMap<string, string>, replicas: number): TopicDifference[] {
  const [minimum, unclean] = ['min.insync.replicas', 'unclean.leader.election.enable'];
  const found: TopicDifference[] = [];
  const count = Number(config.get(minimum));
  if (count < productionInSync)
    found.push(unreplicated(where, minimum, `${productionInSync} or more`, config.get(minimum)));
  else if (count >= replicas) {
    const why = 'a broker that restarts would stop all writing';
    const wanted = `less than ${replicas}`;
    found.push({ where, setting: minimum, wanted, found: String(count), danger: 'differs', why });
  }
  if (config.get(unclean) !== 'false')
    found.push({
      ...unreplicated(where, unclean, 'false', config.get(unclean)),
      why: 'a replica without the last acknowledged events could become leader',
    });
  return found;
}

const unreplicated = (where: string, setting: string, wanted: string, found = ''): TopicDifference => ({
  where,
  setting,
  wanted,
  found,
  danger: 'unreplicated',
  why: whyReplicated,
});
const loses = (setting: string, wanted: string, why: string) => ({ setting, wanted, danger: 'loses' as const, why });
const differs = (setting: string, wanted: string, why: string) => ({
  setting,
  wanted,
  danger: 'differs' as const,
  why,
});

async function describe(
  admin: Admin,
  type: number,
  names: readonly string[],
  settings: string[],
): Promise<Map<string, Map<string, string>>> {
  const resources = names.map((name) => ({ type, name, configNames: settings }));
  const answer = await admin.describeConfigs({ includeSynonyms: false, resources });
  return new Map(
    answer.resources.map(({ resourceName, configEntries }) => [
      resourceName,
      new Map(configEntries.map(({ configName, configValue }) => [configName, configValue])),
    ]),
  );
}
