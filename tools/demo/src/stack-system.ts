import { resolve } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { statusPage } from '@callosum/all-in-one/status-page';
import { KafkaEventLog } from '@callosum/event-log';
import { assertPortsUsable, type Listening, prefixOf } from '@callosum/runtime';
import { type Child, Cluster, Front, watchChildren } from '@callosum/stack';

import type { System } from './system.js';

/**
 * Each service as its own process, as in production, on a real Kafka, PostgreSQL and S3 server started for it; the
 * reference worker beside them, and in front of all one HTTP address, as an Ingress is. All of it ends with this process.
 * `given` gives up the start.
 */
export async function startStack(workers: boolean, given: AbortSignal): Promise<System> {
  const { env } = process;
  const dataDir = resolve(env['CALLOSUM_DATA_DIR'] || '.callosum', 'stack');
  const ports = portsOf(env);
  // The servers take a while: a taken port is told before them.
  await assertPortsUsable(ports);
  let cluster: Cluster | undefined;
  const prefix = prefixOf(env['CALLOSUM_PUBLIC_URL'] || 'http://127.0.0.1');
  const front = await Front.listen({
    port: ports[0].port,
    prefix,
    services: () =>
      services.map(({ name, httpPrefixes: prefixes }) => ({
        prefixes,
        port: cluster ? Number(new URL(cluster.addresses.http(name)).port) : 0,
      })),
    pages: statusPage(services, { metrics: false, prefix, oneProcess: false }),
  });
  const children: Child[] = [];
  const startedAt = new Date();
  let stopping = false;
  const stop = async (): Promise<void> => {
    stopping = true;
    for (const child of [...children].reverse()) await child.stop();
    await front.close();
    await cluster?.stopServers();
  };
  given.addEventListener('abort', () => {
    stopping = true;
    for (const child of children) void child.stop();
  });
  try {
    const started = await Cluster.create({
      dataDir,
      env: { CALLOSUM_PUBLIC_URL: env['CALLOSUM_PUBLIC_URL'] || front.url },
    });
    cluster = started;
    given.throwIfAborted();
    for (const { name } of started.services) children.push(started.start(name));
    await Promise.all(children.map((child) => started.ready(child)));
    if (workers) children.push(started.startWorker('lung-ct', 'examples/lung-ct/dist/main.js'));
    const { brokers } = started.kafka;
    const log = new KafkaEventLog({ brokers, clientId: 'start-command', onError: () => undefined });
    return {
      title: `Callosum, ${services.length} services in their own processes on Kafka, PostgreSQL and S3; logs in ${dataDir}`,
      dicomwebUrl: front.url,
      fhirUrl: `${front.url}/fhir`,
      inferenceUrl: front.url,
      workers,
      startedAt,
      dimse: {
        host: '127.0.0.1',
        port: started.addresses.dimsePort,
        aeTitle: env['CALLOSUM_DIMSE_AE'] || 'CALLOSUM',
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

/** The front's port first. */
function portsOf(env: NodeJS.ProcessEnv): [Listening, ...Listening[]] {
  const port = (setting: string, byDefault: number): Listening => ({
    setting,
    host: '127.0.0.1',
    port: Number(env[setting] || byDefault),
  });
  return [port('CALLOSUM_HTTP_PORT', 8080), port('CALLOSUM_DIMSE_PORT', 11112), port('CALLOSUM_GRPC_PORT', 50051)];
}
