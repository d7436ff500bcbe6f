import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import pg from 'pg';

import type { BenchOptions } from './bench-options.js';
import { ctObjects } from './objects.js';
import { TreeMeter, type TreeUse } from './process-tree.js';
import { move, type QueryKeys } from './query-scu.js';
import { type Receiver, type ReceiverName, titleOf } from './receiver.js';
import { startNode } from './receivers/node.js';
import type { BenchDatabase } from './receivers/postgres.js';
import { startOrthanc } from './receivers/orthanc.js';
import { type Sink, startSink } from './receivers/sink.js';
import { interleaved, type Rounds, spreadOf } from './rounds.js';
import { startSender } from './sender.js';

export interface MoveFigures {
  readonly count: number;
  /** Who does not offer C-MOVE. */
  readonly notOffered: readonly ReceiverName[];
  readonly receivers: Readonly<Record<string, readonly MoveRound[]>>;
}

interface MoveRound {
  readonly seconds: number;
  readonly perSecond: number;
  readonly use: Readonly<Record<string, TreeUse>>;
}

const destination = 'DEST';
const indexedMsMax = 300_000;

/** C-MOVE of one study, asked for by DCMTK's movescu, to a destination that throws everything away as it comes. */
export async function benchMove(options: BenchOptions, receivers: readonly ReceiverName[]): Promise<MoveFigures> {
  const { count, places, print } = options;
  const objects = await ctObjects(places.objects, 1, count);
  const keys = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: objects.studyInstanceUids[0] ?? '' };
  const sink = await startSink();
  const moving = new Map<ReceiverName, Receiver>();
  const notOffered: ReceiverName[] = [];
  try {
    for (const name of receivers) {
      const receiver = await startFilled(name, options, objects.folders, sink.port);
      if (!receiver) continue;
      moving.set(name, receiver);
      if ((await moveOnce(receiver, sink, keys, count)) !== undefined) continue;
      notOffered.push(name);
      moving.delete(name);
      await receiver.stop();
      print(
        name === 'node'
          ? `C-MOVE: not offered by this build: ${titleOf[name]} refuses its abstract syntax.`
          : `C-MOVE: ${titleOf[name]} refuses its abstract syntax.`,
      );
    }
    const runs = new Map<ReceiverName, () => Promise<MoveRound>>();
    for (const [name, receiver] of moving) {
      runs.set(name, async () => {
        const round = await moveOnce(receiver, sink, keys, count);
        return round ?? Promise.reject(new Error(`${name} refuses C-MOVE, which it did not before`));
      });
    }
    const rounds: Rounds<MoveRound> = await interleaved(runs, options.rounds, (round, name, { perSecond }) => {
      process.stderr.write(`move, round ${round}: ${name} ${perSecond.toFixed(0)}/s\n`);
    });
    const figures = { count, notOffered, receivers: Object.fromEntries(rounds) };
    print(report(figures));
    return figures;
  } finally {
    for (const receiver of moving.values()) await receiver.stop();
    await sink.stop();
  }
}

/** Undefined for one that has no C-MOVE. */
async function startFilled(
  name: ReceiverName,
  { places, sender: senderName, count }: BenchOptions,
  folders: readonly string[],
  destinationPort: number,
): Promise<Receiver | undefined> {
  if (name !== 'node' && name !== 'orthanc') return undefined;
  const dir = join(places.runs, `${name}-move`);
  const destinations = { [destination]: destinationPort };
  const node =
    name === 'node' ? await startNode({ dir, databaseDir: places.database, withIndex: true, destinations }) : undefined;
  const receiver: Receiver = node ?? (await startOrthanc(dir, { destinations }));
  try {
    const sender = await startSender(senderName, folders);
    await sender.send({ port: receiver.port, calledAet: receiver.aet }).finally(() => sender.stop());
    if (node) await indexed(node.database, count);
    return receiver;
  } catch (error) {
    await receiver.stop();
    throw error;
  }
}

/** Waits until study-index has read of every instance. */
async function indexed({ admin }: BenchDatabase, count: number): Promise<void> {
  const { host, port, user, password, database } = admin;
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  try {
    for (const deadline = Date.now() + indexedMsMax; Date.now() < deadline; await sleep(200)) {
      const { rows } = await client.query<{ count: string }>('select count(*) from study_index.instance');
      if (Number(rows[0]?.count) === count) return;
    }
    throw new Error(`study-index did not come to ${count} instances`);
  } finally {
    await client.end();
  }
}

/** Undefined when the peer refuses. @throws when not every instance came to the destination */
async function moveOnce(
  receiver: Receiver,
  sink: Sink,
  keys: QueryKeys,
  count: number,
): Promise<MoveRound | undefined> {
  const before = await sink.count();
  const meter = new TreeMeter(receiver.processes);
  const { offered, seconds } = await move(receiver, destination, keys);
  const use = meter.stop();
  if (!offered) return undefined;
  const came = (await sink.count()) - before;
  if (came !== count) throw new Error(`${receiver.aet} moved ${came} of ${count} instances`);
  return { seconds, perSecond: count / seconds, use };
}

function report({ count, receivers }: MoveFigures): string {
  const rows = Object.entries(receivers).map(([name, rounds]) => {
    const { median, least, most } = spreadOf(rounds.map(({ perSecond }) => perSecond));
    const use = Object.entries(rounds.at(-1)?.use ?? {});
    const cells = [
      titleOf[name as ReceiverName],
      median.toFixed(0),
      `${least.toFixed(0)} – ${most.toFixed(0)}`,
      use.map(([part, { processorSeconds }]) => `${processorSeconds.toFixed(2)} ${part}`).join(', '),
      use.map(([part, { peakMiB }]) => `${peakMiB} ${part}`).join(', '),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `### C-MOVE of one study of ${count} CT of 0.5 MB`,
    '',
    '| moved by | objects/s, median | least – most | processor, s | memory at most, MiB |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
