import { describe, expect, it } from 'vitest';

import { linksToWorker } from './worker-trace.js';

const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
const spanId = '00f067aa0ba902b7';
const good = `00-${traceId}-${spanId}-01`;

describe("a worker's trace context", () => {
  it('is linked to when it is one', () => {
    expect(linksToWorker(good)).toEqual([good]);
  });

  it.each<[string, string | undefined]>([
    ['absent', undefined],
    ['empty', ''],
    ['text of a vendor', 'Doe^Jane 1958-02-14'],
    ['of another version', `01${good.slice(2)}`],
    ['of the forbidden version', `ff${good.slice(2)}`],
    ['with a trace id of zeros', `00-${'0'.repeat(32)}-${spanId}-01`],
    ['with a span id of zeros', `00-${traceId}-${'0'.repeat(16)}-01`],
    ['in capitals', good.toUpperCase()],
    ['with something behind it', `${good}-x`],
    ['with a line break behind it', `${good}\n`],
    ['with a line break inside', `${good.slice(0, 54)}\n`],
    ['of a megabyte', '0'.repeat(1024 * 1024)],
  ])('is ignored when it is %s', (_what, said) => {
    expect(linksToWorker(said)).toEqual([]);
  });
});
