import { join } from 'node:path';

import type { BenchOptions } from './bench-options.js';
import { assertFree, flush } from './disk.js';
import { type Goal, goalText, type Rates, storeGoals } from './goals.js';
import { ctObjects, type ObjectSet } from './objects.js';
import { oneRun, type RunFigures, type RunParts, type WarmUp } from './one-run.js';
import { rawLoop } from './raw-loop.js';
import { type Receiver, type ReceiverName, titleOf } from './receiver.js';
import { interleaved, median, ratioOf, type Rounds, spreadOf } from './rounds.js';
import { type Sender, startSender } from './sender.js';

export interface StoreFigures {
  readonly associations: number;
  readonly count: number;
  readonly receivers: Readonly<Record<string, readonly RunFigures[]>>;
  readonly goals: readonly Goal[];
}

/** A run holds its objects twice at most, beside those that are sent. */
const copiesOfObjects = 3;
const objectBytes = 530_000;
/** Facts of the warm-up are on their way to the log meanwhile. */
const warmRestMs = 1_000;

/** So many CT objects over 1, 4 and 8 associations, to each receiver in turn. */
export async function benchStore(options: BenchOptions, receivers: readonly ReceiverName[]): Promise<StoreFigures[]> {
  const { associations, count, places, print } = options;
  await assertFree(places.root, copiesOfObjects * associations.length * count * objectBytes);
  const figures: StoreFigures[] = [];
  for (const n of associations) {
    const objects = await ctObjects(places.objects, n, count);
    const senders: Sender[] = [];
    try {
      const warmUp = await startWarmUp(options, n, senders);
      const sender = await startSender(options.sender, objects.folders);
      senders.push(sender);
      const rounds = await roundsOf(receivers, { options, objects, sender, warmUp });
      const result = figuresOf(n, count, rounds);
      figures.push(result);
      print(report(result, rounds));
    } finally {
      for (const sender of senders) await sender.stop();
    }
  }
  return figures;
}

type Name = ReceiverName | 'raw';

/** As many associations as are measured, with fewer objects of the same size. */
async function startWarmUp(
  { warm: count, places, sender: name }: BenchOptions,
  associations: number,
  senders: Sender[],
): Promise<WarmUp> {
  const { folders, bytesEach } = await ctObjects(places.objects, associations, count, 'warm');
  const sender = count > 0 ? await startSender(name, folders) : undefined;
  if (sender) senders.push(sender);
  const send = async ({ port, aet }: Receiver): Promise<unknown> => sender?.send({ port, calledAet: aet });
  return { count, bytesEach, send, restMs: warmRestMs };
}

function roundsOf(receivers: readonly ReceiverName[], parts: RunParts): Promise<Rounds<RunFigures>> {
  const { options, objects } = parts;
  const associations = objects.folders.length;
  const runs = new Map<Name, () => Promise<RunFigures>>();
  for (const name of receivers) runs.set(name, () => oneRun(name, parts));
  if (associations === 1) runs.set('raw', () => rawRun(options, objects));
  return interleaved(runs, options.rounds, (round, name, { perSecond }) => {
    const title = round === 0 ? 'warm-up' : `round ${round} of ${options.rounds}`;
    process.stderr.write(`store, ${associations} at once, ${title}: ${name} ${perSecond.toFixed(0)}/s\n`);
  });
}

async function rawRun({ places }: BenchOptions, objects: ObjectSet): Promise<RunFigures> {
  await flush(places.root);
  const seconds = await rawLoop(join(places.runs, 'raw'), places.database, objects);
  return {
    seconds,
    perSecond: objects.count / seconds,
    use: {},
    senderSeconds: 0,
    flushSeconds: await flush(places.root),
  };
}

function figuresOf(associations: number, count: number, rounds: Rounds<RunFigures>): StoreFigures {
  const rates: Rates = new Map(
    [...rounds].map(([name, runs]): [Name, number[]] => [name as Name, runs.map(({ perSecond }) => perSecond)]),
  );
  return { associations, count, receivers: Object.fromEntries(rounds), goals: storeGoals(associations, rates) };
}

function report({ associations, count, goals }: StoreFigures, rounds: Rounds<RunFigures>): string {
  const rates = (name: string): number[] => (rounds.get(name) ?? []).map(({ perSecond }) => perSecond);
  const rows = [...rounds].map(([name, runs]) => {
    const { median: middle, least, most } = spreadOf(rates(name));
    const parts = Object.keys(runs[0]?.use ?? {});
    const each = (value: (run: RunFigures, part: string) => number, digits: number): string =>
      parts.map((part) => `${median(runs.map((run) => value(run, part))).toFixed(digits)} ${part}`).join(', ');
    const cells = [
      name === 'raw' ? 'write + fsync + commit, one writer' : titleOf[name as ReceiverName],
      middle.toFixed(0),
      `${least.toFixed(0)} – ${most.toFixed(0)}`,
      name === 'node' ? '' : ratioText(ratioOf(rates('node'), rates(name))),
      each((run, part) => run.use[part]?.processorSeconds ?? Number.NaN, 2),
      each((run, part) => run.use[part]?.peakMiB ?? Number.NaN, 0),
      median(runs.map(({ senderSeconds }) => senderSeconds)).toFixed(2),
      median(runs.map(({ flushSeconds }) => flushSeconds)).toFixed(2),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const profiles = (rounds.get('node') ?? []).flatMap(({ profile }) => profile ?? []).slice(-1);
  return [
    `### C-STORE: ${count} CT of 0.5 MB, ${associations} association${associations === 1 ? '' : 's'}`,
    '',
    '| receiver | objects/s, median | least – most | this node is | processor, s | memory at most, MiB | sender, s | flushed after, s |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...goals.map(goalText),
    ...profiles.flatMap(({ path, top }) => ['', `Profile of the last round: ${path}`, '', '```', ...top, '```']),
    '',
  ].join('\n');
}

const ratioText = (ratio: number): string => (Number.isNaN(ratio) ? '' : `${ratio.toFixed(2)} ×`);
