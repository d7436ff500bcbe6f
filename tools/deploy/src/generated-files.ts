import { stringify } from 'yaml';

import { siteFacts, type TopicFact } from './facts.js';
import { alertsFile } from './observability/alerts.js';
import { dashboardFiles } from './observability/dashboards.js';

const head = (what: string): string =>
  `# ${what}\n# Generated from the code by \`node tools/docs.mjs\`; \`npm test\` fails when it is out of date.\n`;

/** Files a deployment reads that come from the code, by path from the root. */
export function generatedFiles(): Readonly<Record<string, string>> {
  const facts = siteFacts();
  return {
    'helm/callosum/files/facts.yaml':
      head('What the code says of each service and topic; the templates read it.') +
      stringify({ services: facts.services, topics: facts.topics }, { aliasDuplicateObjects: false, lineWidth: 0 }),
    'deploy/kafka/topics.yaml':
      head('Topics for Strimzi: kubectl apply -n <namespace of the Kafka cluster> -f deploy/kafka/topics.yaml') +
      facts.topics.map(kafkaTopic).join('---\n'),
    'deploy/kafka/topics.txt':
      head('name partitions replication settings: for kafka-topics.sh --create, one topic a line') +
      facts.topics
        .map(({ name, partitions, config }) =>
          [name, partitions, 3, ...Object.entries(config).map(([key, value]) => `${key}=${value}`)].join(' '),
        )
        .join('\n') +
      '\n',
    'helm/callosum/files/alerts.yaml':
      head('Alerts and the ratios they read; the reasons are in tools/deploy/src/observability.') + alertsFile(),
    ...dashboardFiles(),
  };
}

function kafkaTopic({ name, partitions, config }: TopicFact): string {
  return stringify({
    apiVersion: 'kafka.strimzi.io/v1',
    kind: 'KafkaTopic',
    metadata: { name, labels: { 'strimzi.io/cluster': 'callosum' } },
    spec: { topicName: name, partitions, replicas: 3, config },
  });
}
