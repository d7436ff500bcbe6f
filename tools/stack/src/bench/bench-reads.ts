import { type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { randomOf } from '@callosum/phantom';

import type { Child } from '../cluster/process.js';
import type { LargeObject } from './large-objects.js';
import { forgetPeak, peakOf } from './peak-memory.js';

export interface ReadFigures {
  /** How the objects are read. */
  readonly load: string;
  readonly atOnce: number;
  readonly objectMiB: number;
  /** Whole answers, answers 5xx, answers that ended too early, and clients that went in the middle. */
  readonly given: number;
  readonly refused: number;
  readonly cut: number;
  readonly gone: number;
  readonly seconds: number;
  readonly restMiB: number;
  readonly peakMiB: number;
}

export interface Door {
  readonly url: string;
  readonly child: Child;
  /** Requests sent at once. */
  readonly atOnce: number;
  readonly objectMiB: number;
}

type Outcome = 'given' | 'refused' | 'cut' | 'gone';
type Client = (door: Door, object: LargeObject, accept: string) => Promise<Outcome>;

const asStored = 'application/dicom; transfer-syntax=*';
const rewritten = 'application/dicom';
/** What a viewer on a slow line takes: the door is full for as long as its objects are large. */
const slowBytesPerSecond = 1024 * 1024;
/** Clients that go do so within this time of asking, or in the middle of the answer. */
const goneWithinMs = 3_000;
/** Times that all of them ask again. */
const goneRounds = 6;
const seed = 61;

/**
 * As many retrieves at once as dicomweb lets in: streamed as they are stored, and rewritten in memory, by slow clients;
 * and by clients that go, again and again.
 * @param objects of each form, some; each is asked for by several
 */
export async function benchReads(
  door: Door,
  objects: { readonly explicit: readonly LargeObject[]; readonly implicit: readonly LargeObject[] },
): Promise<ReadFigures[]> {
  const random = randomOf(seed);
  const goes = (): Client => leaves(random);
  return [
    await load('as stored, slow clients', door, objects.explicit, asStored, () => slow, 1),
    await load('rewritten, slow clients', door, objects.implicit, rewritten, () => slow, 1),
    await load('as stored, clients that go', door, objects.explicit, asStored, goes, goneRounds),
    await load('rewritten, clients that go', door, objects.implicit, rewritten, goes, goneRounds),
  ];
}

async function load(
  name: string,
  door: Door,
  objects: readonly LargeObject[],
  accept: string,
  client: () => Client,
  rounds: number,
): Promise<ReadFigures> {
  // What the load before left is given back meanwhile, or is at rest.
  await sleep(5_000);
  forgetPeak(door.child.pid);
  const restMiB = peakOf(door.child.pid);
  const started = Date.now();
  const outcomes: Outcome[] = [];
  for (let round = 0; round < rounds; round++) {
    const all = Array.from({ length: door.atOnce }, (_, n) => {
      const object = objects[n % objects.length];
      return object ? client()(door, object, accept) : Promise.resolve<Outcome>('refused');
    });
    outcomes.push(...(await Promise.all(all)));
  }
  const count = (outcome: Outcome): number => outcomes.filter((one) => one === outcome).length;
  return {
    load: name,
    atOnce: door.atOnce,
    objectMiB: door.objectMiB,
    given: count('given'),
    refused: count('refused'),
    cut: count('cut'),
    gone: count('gone'),
    seconds: Math.round((Date.now() - started) / 100) / 10,
    restMiB,
    peakMiB: peakOf(door.child.pid),
  };
}

const slow: Client = async (door, object, accept) => {
  const response = await ask(door, object, accept).response;
  if (response.statusCode !== 200) return refusal(response);
  const started = Date.now();
  let byteCount = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      byteCount += chunk.byteLength;
      const aheadMs = (byteCount / slowBytesPerSecond) * 1_000 - (Date.now() - started);
      if (aheadMs > 0) await sleep(aheadMs);
    }
  } catch {
    return 'cut';
  }
  return byteCount < object.pixelBytes ? 'cut' : 'given';
};

/** Half of them before the answer may have begun, half when they have taken a part of it. */
function leaves(random: () => number): Client {
  const [inTheMiddle, share] = [random() < 0.5, random()];
  return async (door, object, accept) => {
    const { response, leave } = ask(door, object, accept);
    const patience = setTimeout(leave, goneWithinMs * (inTheMiddle ? 1 : share));
    try {
      const answer = await response;
      if (answer.statusCode !== 200) return await refusal(answer);
      let byteCount = 0;
      for await (const chunk of answer as AsyncIterable<Uint8Array>) {
        byteCount += chunk.byteLength;
        if (inTheMiddle && byteCount > share * object.pixelBytes) break;
      }
      return byteCount < object.pixelBytes ? 'gone' : 'given';
    } catch {
      return 'gone';
    } finally {
      clearTimeout(patience);
      leave();
    }
  };
}

async function refusal(response: IncomingMessage): Promise<Outcome> {
  for await (const _ of response);
  return 'refused';
}

function ask(
  { url }: Door,
  { studyInstanceUid, seriesInstanceUid, sopInstanceUid }: LargeObject,
  accept: string,
): { readonly response: Promise<IncomingMessage>; readonly leave: () => void } {
  const path = `/dicom-web/studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
  const sent = request(`${url}${path}`, { headers: { accept }, agent: false });
  const response = new Promise<IncomingMessage>((resolve, reject) => {
    sent.on('response', resolve).on('error', reject);
  });
  sent.end();
  return { response, leave: () => void sent.destroy() };
}

export function reportReads(figures: readonly ReadFigures[]): string {
  const rows = figures.map(
    ({ load, atOnce, objectMiB, given, refused, cut, gone, seconds, restMiB, peakMiB }) =>
      `| ${load} | ${atOnce} × ${objectMiB} MiB | ${given} | ${refused} | ${cut} | ${gone} | ${seconds} | ${restMiB} | ${peakMiB} |`,
  );
  const head = [
    '| retrieves of dicomweb | at once | given | refused | cut | gone | seconds | before, MiB | peak under load, MiB |',
    '|---|---|---|---|---|---|---|---|---|',
  ];
  return [...head, ...rows].join('\n');
}
