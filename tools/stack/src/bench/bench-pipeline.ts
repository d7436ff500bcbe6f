import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { freePort } from '@callosum/testing';
import { measurePipeline, type PipelineFigures } from './pipeline.js';

const studiesDefault = 60;
/** Alone, and as many at once as keep two cores busy. */
const loads = [1, 8];
const replicaCounts = [1, 2];

/** `npm run bench -- pipeline [--studies N]`: every load with one and with two replicas of each service, in one run. */
export async function benchPipeline(
  dataDir: string,
  args: readonly string[],
): Promise<{ text: string; figures: PipelineFigures[] }> {
  const { values } = parseArgs({
    args: [...args],
    options: { studies: { type: 'string', default: String(studiesDefault) } },
  });
  const figures: PipelineFigures[] = [];
  for (const replicas of replicaCounts) {
    for (const modalities of loads) {
      process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
      process.env['CALLOSUM_GRPC_PORT'] = String(await freePort());
      const folder = join(dataDir, `${replicas}-${modalities}`);
      figures.push(await measurePipeline({ replicas, modalities, studies: Number(values.studies), dataDir: folder }));
    }
  }
  return { text: figures.map(table).join('\n'), figures };
}

function table(figures: PipelineFigures): string {
  const { replicas, modalities, studiesPerMinute, hops, overhead, processes, instancesPerStudy } = figures;
  const row = (name: string, { p50, p95, max }: { p50: number; p95: number; max: number }): string =>
    `| ${name} | ${p50} | ${p95} | ${max} |`;
  return [
    `### ${replicas} replica(s), ${modalities} modality(ies), studies of ${instancesPerStudy} instances: ${studiesPerMinute} studies a minute`,
    '',
    '| hop, ms | p50 | p95 | max |',
    '|---|---|---|---|',
    ...Object.entries(hops).map(([name, values]) => row(name, values)),
    row('last instance → report, without model and quiet period', overhead),
    '',
    `Cores busy: ${Object.entries(processes)
      .map(([name, { cores, residentMiB }]) => `${name} ${cores} (${residentMiB} MiB)`)
      .join(', ')}`,
    '',
  ].join('\n');
}
