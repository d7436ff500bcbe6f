import { ctObjects } from '../dimse/objects.js';
import { interleaved, median } from '../dimse/rounds.js';
import { closedLoop, HttpClient } from './http-client.js';
import { askInTurn, instancesOf, type SentInstance } from './in-turn.js';
import { figuresOf } from './metadata.js';
import { type Receiver, titleOf } from './receiver.js';
import { type Bench, withLoaded } from './receivers.js';
import { type Measured, percentileCells, type Percentiles, percentiles, tableOf, timesTable } from './report.js';

const thumbnailSide = 256;
/** As a page of a study list asks: a browser has six connections to a host. */
const clients = 6;

interface Kind {
  readonly what: string;
  readonly type: string;
  readonly query: string;
  /** First bytes of such a file, in hexadecimal. */
  readonly begins: string;
}

const jpeg = 'ffd8';
const png = '89504e47';
/** Nobody promised anything of these: they are beside Orthanc to be known. */
const kinds: readonly Kind[] = [
  { what: 'one picture as JPEG', type: 'image/jpeg', query: '', begins: jpeg },
  { what: 'one picture as PNG', type: 'image/png', query: '', begins: png },
  {
    what: `one picture of ${String(thumbnailSide)} pixels as JPEG`,
    type: 'image/jpeg',
    query: `?viewport=${String(thumbnailSide)},${String(thumbnailSide)}`,
    begins: jpeg,
  },
];

/** Pictures of CT slices of 512 × 512 (PS3.18 10.4.1.1.3): one at a time, and a list of small ones by a browser's connections. */
export async function benchPictures(bench: Bench): Promise<unknown> {
  const { instances, places, print, rounds } = bench.options;
  const objects = await ctObjects(places.objects, 1, instances);
  const slices = instancesOf(objects);
  const [first] = slices;
  if (!first) throw new Error('a series without slices');
  return withLoaded(bench, objects, async (running) => {
    const measured: Measured[] = [];
    for (const { what, type, query, begins } of kinds)
      measured.push(
        await askInTurn(running, bench.options, {
          what,
          path: `${first.path}/rendered${query}`,
          headers: { accept: type },
          wrong: (answer) => (answer.toString('hex', 0, begins.length / 2) === begins ? undefined : `no ${type}`),
        }),
      );
    print(['### One picture', '', timesTable(measured), ''].join('\n'));
    const listed = await listing(running, slices, rounds);
    const title = `### ${String(slices.length)} pictures of ${String(thumbnailSide)} pixels, ${String(clients)} connections`;
    print([title, '', listedTable(listed), ''].join('\n'));
    return { pictures: figuresOf(measured), listed };
  });
}

interface Listed {
  readonly receiver: Receiver['name'];
  /** Of all rounds that count, in milliseconds. */
  readonly times: Percentiles;
  readonly perSecond: readonly number[];
}

async function listing(
  running: readonly Receiver[],
  slices: readonly SentInstance[],
  rounds: number,
): Promise<Listed[]> {
  const once = async ({ base }: Receiver) => {
    const connections = Array.from({ length: clients }, () => new HttpClient(base));
    const began = performance.now();
    try {
      const times = await closedLoop(clients, slices.length, async (client, request) => {
        const path = `${slices[request]?.path ?? ''}/rendered?viewport=${String(thumbnailSide)},${String(thumbnailSide)}`;
        return (await (connections[client] as HttpClient).ask(path, { headers: { accept: 'image/jpeg' } })).ms;
      });
      return { times, perSecond: (times.length * 1_000) / (performance.now() - began) };
    } finally {
      for (const connection of connections) connection.close();
    }
  };
  const runs = new Map(running.map((receiver) => [receiver.name, () => once(receiver)] as const));
  const results = await interleaved(runs, rounds, (round, name, { perSecond }) => {
    process.stderr.write(`pictures, ${name}, round ${String(round)}: ${perSecond.toFixed(0)} a second\n`);
  });
  return running.map(({ name }) => {
    const counted = results.get(name) ?? [];
    return {
      receiver: name,
      times: percentiles(counted.flatMap(({ times }) => times)),
      perSecond: counted.map(({ perSecond }) => perSecond),
    };
  });
}

const listedTable = (listed: readonly Listed[]): string =>
  tableOf(
    ['of', 'p50, ms', 'p90', 'p99', 'most', 'a second, median'],
    listed.map(({ receiver, times, perSecond }) => [
      titleOf[receiver],
      ...percentileCells(times),
      median(perSecond).toFixed(0),
    ]),
  );
