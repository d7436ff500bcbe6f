import { resolve } from 'node:path';

import { KafkaEventLog } from '@callosum/event-log';
import { type Child, Cluster, watchChildren } from '@callosum/stack';

import type { System } from './system.js';

/**
 * Each service as its own process, as in production, on a real Kafka, PostgreSQL and S3 server started for it; the
 * reference worker beside them. All of it ends with this process. `given` gives up the start.
 */
export async function startStack(workers: boolean, given: AbortSignal): Promise<System> {
  const dataDir = resolve(process.env['CALLOSUM_DATA_DIR'] || '.callosum', 'stack');
  const cluster = await Cluster.create({ dataDir });
  const children: Child[] = [];
  const startedAt = new Date();
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    for (const child of [...children].reverse()) await child.stop();
    await cluster.stopServers();
  };
  given.addEventListener('abort', () => {
    stopping = true;
    for (const child of children) void child.stop();
  });
  try {
    given.throwIfAborted();
    for (const { name } of cluster.services) children.push(cluster.start(name));
    await Promise.all(children.map((child) => cluster.ready(child)));
    if (workers) children.push(cluster.startWorker('lung-ct', 'examples/lung-ct/dist/main.js'));
    const { brokers } = cluster.kafka;
    const log = new KafkaEventLog({ brokers, clientId: 'start-command', onError: () => undefined });
    return {
      title: `Callosum, ${cluster.services.length} services in their own processes on Kafka, PostgreSQL and S3; logs in ${dataDir}`,
      dicomwebUrl: cluster.addresses.http('dicomweb'),
      fhirUrl: `${cluster.addresses.http('fhir-gateway')}/fhir`,
      inferenceUrl: cluster.addresses.http('inference-orchestrator'),
      workers,
      startedAt,
      dimse: {
        host: '127.0.0.1',
        port: cluster.addresses.dimsePort,
        aeTitle: process.env['CALLOSUM_DIMSE_AE'] || 'CALLOSUM',
      },
      log,
      failed: watchChildren(children, () => stopping),
      stop: async () => {
        stopping = true;
        await log.close();
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
