import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { describe, expect, it } from 'vitest';

import { nothingReads, type Selection, whyUnread } from './nothing-reads.js';

const startedAt = new Date('2026-01-01T00:00:00Z');
const later = '2026-01-01T00:00:05Z';
const series = { seriesInstanceUid: '1.2.3', instanceCount: 4, reasons: ['orientation', 'slice-count'] };
const model = { modelId: 'lung-ct', version: '1.0.0', registeredAt: later, seriesInstanceUid: null, series: [series] };
const selection: Selection = { revision: 2, consideredRevision: 2, models: [model] };
const withWorker = { workers: true, startedAt };

describe('that nothing reads a study', () => {
  it('is certain when all of it is considered and no series matches, and says why', () => {
    expect(whyUnread(selection, 4, withWorker)).toBe(
      'no model reads any of its series\n  lung-ct 1.0.0 does not read series 1.2.3 (4 instances): orientation, slice-count',
    );
  });

  it.each<[string, Selection, number]>([
    ['it is not complete', { ...selection, consideredRevision: null }, 4],
    ['a later revision is open', { ...selection, revision: 3 }, 4],
    ['an instance that was stored is not indexed', selection, 5],
    ['the worker is still to register', { ...selection, models: [] }, 4],
    [
      'only an earlier start of the worker is known',
      { ...selection, models: [{ ...model, registeredAt: '2025-12-31T23:59:59Z' }] },
      4,
    ],
    ['one of the models reads it', { ...selection, models: [model, { ...model, seriesInstanceUid: '1.2.3' }] }, 4],
  ])('is not certain while %s', (_, given, storedCount) => {
    expect(whyUnread(given, storedCount, withWorker)).toBeUndefined();
  });

  it('needs no worker where none was started', () => {
    const alone = { workers: false, startedAt };
    expect(whyUnread({ ...selection, models: [] }, 4, alone)).toContain('no model has registered');
    const remembered = { ...selection, models: [{ ...model, registeredAt: '2025-12-31T23:59:59Z' }] };
    expect(whyUnread(remembered, 4, alone)).toContain('lung-ct 1.0.0 does not read');
  });

  it('is told only after the log told that the study is complete', async () => {
    let answers = 0;
    const service = createServer((_, response) => {
      answers++;
      response.end(JSON.stringify(selection));
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    const asked: number[] = [];
    const watcher = {
      storedCount: () => 4,
      toldComplete: (_: string, revision: number) => asked.push(revision) > 1,
    };
    const inferenceUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}`;
    try {
      const outcome = await nothingReads({ inferenceUrl, ...withWorker }, watcher, '1.2', new AbortController().signal);
      expect(outcome).toMatchObject({ failure: expect.stringContaining('does not read series 1.2.3') });
      expect(asked).toEqual([2, 2]);
      expect(answers).toBe(2);
    } finally {
      service.close();
    }
  });
});
