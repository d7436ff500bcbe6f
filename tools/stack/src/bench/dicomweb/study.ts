import { ctObjects } from '../dimse/objects.js';
import { goalText } from '../dimse/goals.js';
import { askInTurn } from './in-turn.js';
import { figuresOf } from './metadata.js';
import { type Bench, withLoaded } from './receivers.js';
import { goalsOf, type Measured, timesTable } from './report.js';

/** How many times as fast as Orthanc a study is to come: both read files and write a socket. */
const wanted = 1;

/** A whole study as it is stored (PS3.18 10.4.1.1.1), of CT slices of half a megabyte. */
export async function benchStudy(bench: Bench): Promise<unknown> {
  const { places, print, studyBytes } = bench.options;
  const count = Math.ceil(studyBytes / (512 * 512 * 2));
  const objects = await ctObjects(places.objects, 1, count);
  const [study = ''] = objects.studyInstanceUids;
  return withLoaded(bench, objects, async (running) => {
    const measured: Measured[] = [
      await askInTurn(running, bench.options, {
        what: `study of ${String(count)} objects, ${String(Math.round(studyBytes / 1e6))} MB`,
        path: `/studies/${study}`,
        headers: { accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' },
        wrong: (answer) => {
          const parts = partsIn(answer);
          return parts === count ? undefined : `${String(parts)} of ${String(count)} objects`;
        },
        wanted,
      }),
    ];
    print(['### A study', '', timesTable(measured), '', ...goalsOf(measured).map(goalText), ''].join('\n'));
    return figuresOf(measured);
  });
}

/** Objects that begin in it: what stands before each is 128 zeros (PS3.10 7.1). */
function partsIn(answer: Buffer): number {
  const begin = Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]);
  let parts = 0;
  for (let at = answer.indexOf(begin); at >= 0; at = answer.indexOf(begin, at + begin.length)) parts++;
  return parts;
}
