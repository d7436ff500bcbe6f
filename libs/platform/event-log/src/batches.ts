import { batchBytesMax, recordBytes } from './envelope.js';
import type { LogEvent } from './event.js';

/**
 * The events in their order, cut into runs of at most `bytesMax`. A run is measured over all its topics, for all of it may
 * fall into one partition: one key, or a dead-letter topic. An event that is larger by itself is a run by itself.
 */
export function inBatches(events: readonly LogEvent[], bytesMax = batchBytesMax): LogEvent[][] {
  const batches: LogEvent[][] = [];
  let room = 0;
  for (const event of events) {
    const bytes = recordBytes(event);
    const last = batches.at(-1);
    if (last && bytes <= room) {
      last.push(event);
      room -= bytes;
    } else {
      batches.push([event]);
      room = bytesMax - bytes;
    }
  }
  return batches;
}
