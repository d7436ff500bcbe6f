import { type Reading, reading } from '@callosum/telemetry';

import type { ForwardQueue } from '../application/forwarding-ports.js';

/** What waits and what failed, by destination. */
export async function forwardingGauges(queue: ForwardQueue): Promise<Reading[]> {
  return (await queue.states()).flatMap(({ destination, waiting, failed, oldestSeconds }) => {
    const labels = { 'dicom.destination_ae': destination };
    return [
      reading('callosum.forward.waiting', waiting, labels),
      reading('callosum.forward.failed', failed, labels),
      reading('callosum.forward.oldest_age', oldestSeconds, labels),
    ];
  });
}
