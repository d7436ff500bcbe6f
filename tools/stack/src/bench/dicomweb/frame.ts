import { goalText } from '../dimse/goals.js';
import { ctObjects } from '../dimse/objects.js';
import { TreeMeter } from '../dimse/process-tree.js';
import { interleaved, median } from '../dimse/rounds.js';
import { closedLoop, HttpClient } from './http-client.js';
import { askInTurn, instancesOf, pixelsOf, type SentInstance } from './in-turn.js';
import { figuresOf } from './metadata.js';
import { type Receiver, titleOf } from './receiver.js';
import { type Bench, withLoaded } from './receivers.js';
import {
  goalsOf,
  type Measured,
  msText,
  percentileCells,
  type Percentiles,
  percentiles,
  tableOf,
  timesTable,
} from './report.js';

/** How many times as fast as Orthanc one frame is to come. */
const wanted = 3;
/** Little-endian octets of one frame, as a part: what both give. */
const headers = { accept: 'multipart/related; type="application/octet-stream"' };
const frameOf = ({ path }: SentInstance): string => `${path}/frames/1`;

/** One frame of 512 × 512 in 16 bits at a time (PS3.18 10.4.1.1.4): the same again, one slice after the other, and many clients that scroll. */
export async function benchFrame(bench: Bench): Promise<unknown> {
  const { clients, frames, instances, places, print, rounds } = bench.options;
  const sent = await ctObjects(places.objects, 1, instances);
  const slices = instancesOf(sent);
  return withLoaded(bench, sent, async (running) => {
    const [first] = slices;
    if (!first) throw new Error('a series without slices');
    const pixels = Buffer.from(pixelsOf(first));
    const again = await askInTurn(running, bench.options, {
      what: 'one frame, the same again',
      path: frameOf(first),
      headers,
      wrong: (answer) => (answer.includes(pixels) ? undefined : 'other pixels than were sent'),
      wanted,
    });
    const measured: Measured[] = [again, await oneAfterTheOther(running, slices, rounds)];
    print(['### One frame', '', timesTable(measured), '', ...goalsOf(measured).map(goalText), ''].join('\n'));
    const scrolled = await scrolling(running, slices, { clients, frames, rounds });
    print(
      [`### ${String(clients)} clients scroll, ${String(frames)} frames each`, '', scrolledTable(scrolled), ''].join(
        '\n',
      ),
    );
    return { frame: figuresOf(measured), scrolled };
  });
}

/** Each slice of the series once in a round: the median of a frame. In the first round, which does not count, nobody knows them. */
async function oneAfterTheOther(
  running: readonly Receiver[],
  slices: readonly SentInstance[],
  rounds: number,
): Promise<Measured> {
  const what = 'one frame, slice after slice';
  const runs = new Map(
    running.map(({ name, base }) => [
      name,
      async (): Promise<number> => {
        const client = new HttpClient(base);
        try {
          const times: number[] = [];
          for (const slice of slices) times.push((await client.ask(frameOf(slice), { headers })).ms);
          return median(times);
        } finally {
          client.close();
        }
      },
    ]),
  );
  const ms = await interleaved(runs, rounds, (round, name, time) => {
    process.stderr.write(`${what}, ${name}, round ${String(round)}: ${msText(time)} ms\n`);
  });
  return { what, ms, wanted };
}

interface Scrolled {
  readonly receiver: Receiver['name'];
  /** Of the frames of all rounds that count, in milliseconds. */
  readonly times: Percentiles;
  /** Frames a second in each of them. */
  readonly perSecond: readonly number[];
  /** Most memory of all its processes at once, MiB. */
  readonly peakMiB: number;
}

interface ScrollOptions {
  readonly clients: number;
  /** Of each client. */
  readonly frames: number;
  readonly rounds: number;
}

/** Clients begin at different slices and go on, each when it has the one before. */
async function scrolling(
  running: readonly Receiver[],
  slices: readonly SentInstance[],
  { clients, frames, rounds }: ScrollOptions,
): Promise<Scrolled[]> {
  const once = async ({ base, processes }: Receiver) => {
    const connections = Array.from({ length: clients }, () => new HttpClient(base));
    const scrolled = connections.map(() => 0);
    const meter = new TreeMeter(processes);
    const began = performance.now();
    try {
      const times = await closedLoop(clients, clients * frames, async (client) => {
        const at = Math.floor((client * slices.length) / clients) + (scrolled[client] ?? 0);
        scrolled[client] = (scrolled[client] ?? 0) + 1;
        const slice = slices[at % slices.length];
        if (!slice) throw new Error('a series without slices');
        return (await (connections[client] as HttpClient).ask(frameOf(slice), { headers })).ms;
      });
      const seconds = (performance.now() - began) / 1_000;
      const peakMiB = Object.values(meter.stop()).reduce((sum, use) => sum + use.peakMiB, 0);
      return { times, perSecond: times.length / seconds, peakMiB };
    } finally {
      for (const connection of connections) connection.close();
    }
  };
  const runs = new Map(running.map((receiver) => [receiver.name, () => once(receiver)] as const));
  const results = await interleaved(runs, rounds, (round, name, { perSecond }) => {
    process.stderr.write(`scrolling, ${name}, round ${String(round)}: ${perSecond.toFixed(0)} frames/s\n`);
  });
  return running.map(({ name }) => {
    const counted = results.get(name) ?? [];
    return {
      receiver: name,
      times: percentiles(counted.flatMap(({ times }) => times)),
      perSecond: counted.map(({ perSecond }) => perSecond),
      peakMiB: Math.max(0, ...counted.map(({ peakMiB }) => peakMiB)),
    };
  });
}

const scrolledTable = (scrolled: readonly Scrolled[]): string =>
  tableOf(
    ['of', 'p50, ms', 'p90', 'p99', 'most', 'frames/s, median', 'memory at most, MiB'],
    scrolled.map(({ receiver, times, perSecond, peakMiB }) => [
      titleOf[receiver],
      ...percentileCells(times),
      median(perSecond).toFixed(0),
      peakMiB,
    ]),
  );
