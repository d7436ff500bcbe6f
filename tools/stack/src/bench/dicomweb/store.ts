import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { assertFree, flush } from '../dimse/disk.js';
import { type Goal, goalText } from '../dimse/goals.js';
import { ctObjects, type ObjectSet } from '../dimse/objects.js';
import { rawLoop } from '../dimse/raw-loop.js';
import { TreeMeter } from '../dimse/process-tree.js';
import { interleaved, median, type Rounds, spreadOf } from '../dimse/rounds.js';
import { peakOf } from '../peak-memory.js';
import { HttpClient, stowRequest } from './http-client.js';
import type { DicomwebOptions } from './options.js';
import { type Receiver, titleOf } from './receiver.js';
import { type Bench, startReceiver } from './receivers.js';
import { startNode } from './receivers/node.js';
import { goalsOf, msText, tableOf } from './report.js';

/** Of one request. */
interface StoreRun {
  /** From its first byte to the last of its answer. */
  readonly ms: number;
  /** What the file system still had to write then. */
  readonly flushMs: number;
  /** The most that the process which takes it has held, MiB. */
  readonly peakMiB: number;
  /** Milliseconds of processor by process, until the answer is there. */
  readonly processorMs: Readonly<Record<string, number>>;
}

export interface StoreFigures {
  readonly count: number;
  readonly runs: Readonly<Record<string, readonly StoreRun[]>>;
  readonly goals: readonly Goal[];
}

/** Objects of the request before the one that counts: connections, statements and code are warm then. */
const warmObjects = 400;
/** How many times as fast as Orthanc a store is to be. */
const wanted = 5;
const objectBytes = 530_000;
/** A run keeps its objects twice at most, beside those that are sent. */
const copiesOfObjects = 3;
const oneByOne = 'one-by-one';
const raw = 'raw';
const titles: Readonly<Record<string, string>> = {
  ...titleOf,
  [oneByOne]: 'Callosum, objects one by one (CALLOSUM_STOW_COMMITS_MAX=1)',
  [raw]: 'write + fsync + commit, one writer',
};

/** So many CT objects of 0.5 MB in one STOW-RS request, to each receiver in turn, each time an empty one. */
export async function benchStore({ options, receivers }: Bench): Promise<StoreFigures> {
  const { count, places } = options;
  await assertFree(places.root, copiesOfObjects * (count + warmObjects) * objectBytes);
  const [objects, warm] = [
    await ctObjects(places.objects, 1, count),
    await ctObjects(places.objects, 1, warmObjects, 'warm'),
  ];
  const runs = new Map<string, () => Promise<StoreRun>>();
  for (const name of receivers) runs.set(name, () => oneRun(startReceiver(name, options), { options, objects, warm }));
  const singly = { CALLOSUM_STOW_COMMITS_MAX: '1' };
  if (receivers.includes('node'))
    runs.set(oneByOne, () => oneRun(startNode(places, singly), { options, objects, warm }));
  runs.set(raw, () => rawRun(options, objects));
  const rounds = await interleaved(runs, options.rounds, (round, name, { ms }) => {
    process.stderr.write(`store, round ${round} of ${options.rounds}: ${name} ${msText(ms)} ms\n`);
  });
  const figures = { count, runs: Object.fromEntries(rounds), goals: goalsOf([measuredOf(count, rounds)]) };
  options.print(report(figures));
  return figures;
}

const measuredOf = (count: number, rounds: Rounds<StoreRun>) => ({
  what: `STOW-RS of ${count} CT of 0.5 MB in one request`,
  ms: new Map([...rounds].map(([name, of]) => [name, of.map(({ ms }) => ms)] as const)),
  wanted,
});

interface RunParts {
  readonly options: DicomwebOptions;
  readonly objects: ObjectSet;
  readonly warm: ObjectSet;
}

/** @throws when not everything is there afterwards */
async function oneRun(starting: Promise<Receiver>, { options, objects, warm }: RunParts): Promise<StoreRun> {
  const receiver = await starting;
  const client = new HttpClient(receiver.base);
  try {
    await client.ask('/studies', stowRequest(bytesOf(warm)));
    await receiver.settled();
    const request = stowRequest(bytesOf(objects));
    await flush(options.places.root);
    const meter = new TreeMeter(receiver.processes, false);
    const { ms } = await client.ask('/studies', request);
    const processorMs = Object.fromEntries(
      Object.entries(meter.stop()).map(([name, { processorSeconds }]) => [name, processorSeconds * 1000]),
    );
    const flushMs = (await flush(options.places.root)) * 1000;
    const stored = await receiver.stored();
    if (stored !== objects.count + warm.count)
      throw new Error(`${receiver.name} acknowledged ${objects.count + warm.count} objects and has ${stored}`);
    const [pid] = receiver.name === 'node' ? [receiver.processes['dicomweb']] : Object.values(receiver.processes);
    return { ms, flushMs, peakMiB: pid === undefined ? Number.NaN : peakOf(pid), processorMs };
  } finally {
    client.close();
    await receiver.stop();
  }
}

async function rawRun({ places }: DicomwebOptions, objects: ObjectSet): Promise<StoreRun> {
  await flush(places.root);
  const ms = (await rawLoop(join(places.runs, raw), places.database, objects)) * 1000;
  return { ms, flushMs: (await flush(places.root)) * 1000, peakMiB: Number.NaN, processorMs: {} };
}

const bytesOf = ({ folders }: ObjectSet): Buffer[] =>
  folders.flatMap((folder) => readdirSync(folder).map((name) => readFileSync(join(folder, name))));

function report({ count, runs, goals }: StoreFigures): string {
  const rows = Object.entries(runs).map(([name, of]) => {
    const { median: middle, least, most } = spreadOf(of.map(({ ms }) => ms));
    const peakMiB = median(of.map((run) => run.peakMiB));
    return [
      titles[name] ?? name,
      msText(middle),
      `${msText(least)} – ${msText(most)}`,
      (count / (middle / 1000)).toFixed(0),
      msText(median(of.map(({ flushMs }) => flushMs))),
      Number.isNaN(peakMiB) ? '' : peakMiB.toFixed(0),
      Object.keys(of[0]?.processorMs ?? {})
        .map((part) => `${msText(median(of.map(({ processorMs }) => processorMs[part] ?? 0)))} ${part}`)
        .join(', '),
    ];
  });
  return [
    `### STOW-RS: ${count} CT of 0.5 MB in one request`,
    '',
    tableOf(
      [
        'receiver',
        'ms, median',
        'least – most',
        'objects/s',
        'flushed after, ms',
        'memory at most, MiB',
        'processor, ms',
      ],
      rows,
    ),
    '',
    ...goals.map(goalText),
    '',
  ].join('\n');
}
