import { brotliDecompressSync, gunzipSync } from 'node:zlib';

import { ctObjects } from '../dimse/objects.js';
import { goalText } from '../dimse/goals.js';
import type { Answered } from './http-client.js';
import { askInTurn } from './in-turn.js';
import { type Bench, withLoaded } from './receivers.js';
import { goalsOf, type Measured, timesTable } from './report.js';

/** How many times as fast as Orthanc metadata are to come. */
const wanted = 10;
/** What clients accept: browsers both, Python's requests gzip, others nothing. */
const codings: readonly (readonly [string, string])[] = [
  ['with gzip', 'gzip'],
  ['as they are', 'identity'],
  ['with br alone', 'br'],
];

/** Metadata of one series (PS3.18 10.4.1.1.2), all instances of it. */
export async function benchMetadata(bench: Bench): Promise<unknown> {
  const { instances, places, print } = bench.options;
  const objects = await ctObjects(places.objects, 1, instances);
  const [study = ''] = objects.studyInstanceUids;
  return withLoaded(bench, objects, async (running) => {
    const measured: Measured[] = [];
    for (const [how, coding] of codings)
      measured.push(
        await askInTurn(running, bench.options, {
          what: `metadata of ${String(instances)} instances, ${how}`,
          path: `/studies/${study}/metadata`,
          headers: { accept: 'application/dicom+json', 'accept-encoding': coding },
          wrong: (answer, headers) => wrongWith(answer, headers, instances),
          ...(coding === 'br' ? {} : { wanted }),
        }),
      );
    print(['### Metadata', '', timesTable(measured), '', ...goalsOf(measured).map(goalText), ''].join('\n'));
    return figuresOf(measured);
  });
}

function wrongWith(
  answer: Buffer,
  { 'content-encoding': coding }: Answered['headers'],
  count: number,
): string | undefined {
  const text = coding === 'gzip' ? gunzipSync(answer) : coding === 'br' ? brotliDecompressSync(answer) : answer;
  const { length } = JSON.parse(text.toString()) as unknown[];
  return length === count ? undefined : `${String(length)} of ${String(count)} instances`;
}

/** For the line of JSON. */
export const figuresOf = (measured: readonly Measured[]): unknown =>
  measured.map(({ what, ms, byteCount }) => ({
    what,
    ms: Object.fromEntries(ms),
    bytes: Object.fromEntries(byteCount ?? []),
  }));
