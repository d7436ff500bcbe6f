import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { promisify } from 'node:util';

import { benchFind } from './bench-find.js';
import { benchLarge } from './bench-large.js';
import { benchMove } from './bench-move.js';
import { type BenchOptions, type PartName, readOptions, receiversOfLarge } from './bench-options.js';
import { benchStore } from './bench-store.js';
import { mountText } from './disk.js';
import { noDelayEnv, type ReceiverName, titleOf } from './receiver.js';
import { orthancEnv } from './receivers/orthanc.js';
import { storescpOptions } from './receivers/storescp.js';
import { senderText } from './sender.js';

const run = promisify(execFile);

/**
 * `npm run bench -- dimse [store|large|find|move …]`: this node beside DCMTK storescp and Orthanc, in turn on the same disk.
 * Each part prints its tables when it ends; everything that was started ends with it.
 */
export async function benchDimse(
  dataDir: string,
  args: readonly string[],
  print: (text: string) => void,
): Promise<{ text: string; figures: Readonly<Record<string, unknown>> }> {
  const options = readOptions(dataDir, args, print);
  // Peers are killed at this process's exit, and a signal alone is none.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const versions = await versionsOf(options.receivers);
  const here = options.receivers.filter((name) => versions.get(name) !== undefined);
  print(head(options, versions));
  const figures: Record<string, unknown> = {};
  // What a run that was killed left.
  await rm(options.places.runs, { recursive: true, force: true });
  for (const part of options.parts) {
    print(`Load of the machine before: ${loadavg()[0]?.toFixed(1)}\n`);
    figures[part] = await partOf(part, options, here);
  }
  return { text: '', figures };
}

function partOf(part: PartName, options: BenchOptions, here: readonly ReceiverName[]): Promise<unknown> {
  switch (part) {
    case 'store':
      return benchStore(options, here);
    case 'large':
      return benchLarge(
        options,
        receiversOfLarge(options).filter((name) => here.includes(name)),
      );
    case 'find':
      return benchFind(options, here);
    case 'move':
      return benchMove(options, here);
  }
}

/** What each says of itself; undefined for one that is not on this machine. */
async function versionsOf(receivers: readonly ReceiverName[]): Promise<Map<ReceiverName, string | undefined>> {
  const asked: Partial<Record<ReceiverName, () => Promise<string>>> = {
    node: () => Promise.resolve(`Node ${process.version}`),
    sink: () => Promise.resolve(''),
    storescp: async () => (await run('storescp', ['--version'], { env: noDelayEnv() })).stdout,
    orthanc: async () => (await run('Orthanc', ['--version'], { env: orthancEnv() })).stdout,
  };
  const found = receivers.map(async (name): Promise<[ReceiverName, string | undefined]> => {
    const version = await asked[name]?.().catch(() => undefined);
    return [name, version?.split('\n')[0]?.replaceAll('$', '').trim()];
  });
  return new Map(await Promise.all(found));
}

/** How to get one that is missing. */
const howToGet: Partial<Record<ReceiverName, string>> = {
  storescp: 'apt-get install dcmtk',
  orthanc: 'apt-get install orthanc',
};

function head(options: BenchOptions, versions: ReadonlyMap<ReceiverName, string | undefined>): string {
  const { places, sender, rounds } = options;
  const receivers = [...versions].map(([name, version]) =>
    version === undefined
      ? `- ${titleOf[name]}: left out, it is not on this machine (${howToGet[name]})`
      : `- ${titleOf[name]}: ${[version, howItRuns[name]].filter(Boolean).join('; ')}`,
  );
  return [
    `File system: ${mountText(places.mount)}, folder ${places.root}; flushed before each run`,
    `Machine: ${availableParallelism()} cores, ${Math.round(totalmem() / 1024 ** 3)} GiB`,
    `Sender, the same for all: ${senderText[sender]}; TCP_NODELAY everywhere`,
    `Rounds: one that does not count, then ${rounds}, receivers in turn`,
    ...receivers,
    '',
  ].join('\n');
}

const howItRuns: Readonly<Record<ReceiverName, string>> = {
  node: 'dimse-ingest alone, objects as files, PostgreSQL with its defaults; answers when flushed and committed',
  storescp: `${storescpOptions.join(' ')}; flushes nothing`,
  orthanc: 'PDUs of 128 KiB, 16 threads, no compression, otherwise its defaults: it flushes its files',
  sink: 'reads and forgets: what the sender can',
};
