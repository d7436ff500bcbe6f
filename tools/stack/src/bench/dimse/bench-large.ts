import { storeFiles } from '@callosum/dimse';
import { newId } from '@callosum/kernel';
import { tinySeries } from '@callosum/phantom';

import type { BenchOptions } from './bench-options.js';
import { assertFree } from './disk.js';
import { framesOf, largeObjects } from './objects.js';
import { oneRun, type RunFigures, type WarmUp } from './one-run.js';
import { benchAet, type Receiver, type ReceiverName, titleOf } from './receiver.js';
import { startSender } from './sender.js';

export interface LargeFigures {
  readonly receiver: ReceiverName;
  readonly atOnce: number;
  readonly objectBytes: number;
  readonly run: RunFigures;
}

/** What a process of the node may grow by, MiB. */
const growthMiBMax = 64;
/** Small ones before, so that code is loaded and pools are open; then a rest, in which garbage goes. */
const smallObjects = 64;
const warmUp: WarmUp = { count: smallObjects, bytesEach: 1, send: sendSmall, restMs: 5_000 };

/** Large objects at once, over one association each; once to each receiver. */
export async function benchLarge(options: BenchOptions, receivers: readonly ReceiverName[]): Promise<LargeFigures[]> {
  const { largeBytes, largeCount, places, print } = options;
  await assertFree(places.root, 1.1 * largeBytes * largeCount + 1e9);
  const objects = await largeObjects(places.objects, largeCount, framesOf(largeBytes));
  const sender = await startSender(options.sender, objects.folders, false);
  const figures: LargeFigures[] = [];
  try {
    for (const receiver of receivers) {
      process.stderr.write(`large: ${receiver} …\n`);
      const run = await oneRun(receiver, { options, objects, sender, warmUp });
      figures.push({ receiver, atOnce: largeCount, objectBytes: objects.bytesEach, run });
    }
  } finally {
    await sender.stop();
  }
  print(report(figures));
  return figures;
}

async function sendSmall({ port, aet }: Receiver): Promise<void> {
  const files = tinySeries({ slices: smallObjects, salt: newId() }).map(({ bytes }) => bytes);
  const outcomes = await storeFiles({ host: '127.0.0.1', port, calledAet: aet, callingAet: benchAet, files });
  if (outcomes.some(({ stored }) => !stored)) throw new Error('a small object was refused');
}

function report(figures: readonly LargeFigures[]): string {
  const rows = figures.flatMap(({ receiver, objectBytes, atOnce, run: { seconds, use, flushSeconds } }) => {
    const rate = ((objectBytes * atOnce) / seconds / 1e6).toFixed(0);
    return Object.entries(use).map(([part, { processorSeconds, restMiB, peakMiB }]) => {
      const cells = [titleOf[receiver], part, seconds.toFixed(1), rate, processorSeconds.toFixed(1)];
      return `| ${[...cells, restMiB, peakMiB, peakMiB - restMiB, flushSeconds.toFixed(1)].join(' | ')} |`;
    });
  });
  const [{ atOnce, objectBytes } = { atOnce: 0, objectBytes: 0 }] = figures;
  const node = figures.find(({ receiver }) => receiver === 'node')?.run;
  const grown = node && growth(node);
  return [
    `### C-STORE: ${atOnce} objects of ${(objectBytes / 1e9).toFixed(2)} GB at once`,
    '',
    '| receiver | process | seconds | MB/s | processor, s | MiB at rest | MiB at most | grown, MiB | flushed after, s |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    ...(grown === undefined
      ? ['- this node: not measured']
      : [
          `- dimse-ingest grew by ${grown} MiB, ≤ ${growthMiBMax} wanted: ${grown <= growthMiBMax ? 'met' : '**missed**'}`,
        ]),
    ...(node?.profile ? ['', `Profile: ${node.profile.path}`, '', '```', ...node.profile.top, '```'] : []),
    '',
  ].join('\n');
}

const growth = ({ use }: RunFigures): number | undefined => {
  const process = use['dimse-ingest'];
  return process && process.peakMiB - process.restMiB;
};
