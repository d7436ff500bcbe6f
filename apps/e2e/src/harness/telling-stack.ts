import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { EndedRun, LogRecord } from '@callosum/stack';

import type { Collector } from './collector.js';
import { leaksIn } from './planted.js';

/** Everything that separate processes tell those who run them, Kafka apart, piece by piece. */
export interface StackTold {
  readonly 'log lines of every process': readonly string[];
  readonly 'exported spans': readonly string[];
  readonly metrics: readonly string[];
}

export async function toldByStack(dataDir: string, { cluster }: EndedRun, collector: Collector): Promise<StackTold> {
  const metrics = await Promise.all(
    cluster.services.map(async ({ name }) => (await fetch(cluster.metricsUrl(name))).text()),
  );
  const logs = readdirSync(dataDir).filter((file) => file.endsWith('.log'));
  return {
    'log lines of every process': logs.flatMap((file) =>
      readFileSync(join(dataDir, file), 'utf8').split('\n').filter(Boolean),
    ),
    'exported spans': [...collector.bodies],
    metrics: metrics.flatMap((text) => text.split('\n')),
  };
}

/** A record as it lies in Kafka, in one text: topic, key, every header, value. */
const textOf = ({ topic, key, headers, value }: LogRecord): string => JSON.stringify([topic, key, headers, value]);

/** The records that hold something planted, wherever in them. */
export const leakingRecords = (records: readonly LogRecord[]): LogRecord[] =>
  records.filter((record) => leaksIn(textOf(record)).length > 0);
