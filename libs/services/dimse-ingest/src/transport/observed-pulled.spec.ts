import { CallosumError } from '@callosum/kernel';
import type { Logger } from '@callosum/telemetry';
import { describe, expect, it } from 'vitest';

import type { DimseMetrics } from './dimse/metrics.js';
import { observedPulled } from './observed-pulled.js';

class Unreadable extends CallosumError {
  constructor() {
    super('dimse-ingest.unreadable-dataset', 'invalid', 'unreadable');
  }
}

describe('an object of a C-GET pull', () => {
  it('is counted, and one that cannot be stored is logged with its pull', () => {
    const lines: unknown[] = [];
    const counted: unknown[] = [];
    const logger = { warn: (...line: unknown[]) => lines.push(line) } as unknown as Logger;
    const metrics = { answered: (...sample: unknown[]) => counted.push(sample) } as unknown as DimseMetrics;
    const observe = observedPulled(logger, metrics);
    const object = { pull: 'p1', aet: 'PACS', associationId: 'a1', sopInstanceUid: '1.2.3' };
    observe({ ...object, answer: { status: 0 }, byteCount: 10, seconds: 1 });
    const error = new Unreadable();
    observe({ ...object, answer: { status: 0xc000 }, byteCount: 0, seconds: 2, error });
    expect(counted).toEqual([
      ['PACS', '0000', 10, 1],
      ['PACS', 'C000', 0, 2],
    ]);
    const fields = { pull: 'p1', aet: 'PACS', association: 'a1', instance: '1.2.3', status: 'C000', code: error.code };
    expect(lines).toEqual([[{ ...fields, err: error }, 'store.refused']]);
  });
});
