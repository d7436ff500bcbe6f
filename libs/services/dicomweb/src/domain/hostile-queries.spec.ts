import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import { readRenderQuery, readThumbnailQuery, viewportSideMax } from './render-query.js';
import { readWadoUriQuery, renderQueryOf } from './wado-uri-query.js';

/** Numbers and what looks like them, separators, and anything. */
const piece = fc.oneof(
  fc.constantFrom(
    '',
    '0',
    '-0',
    '1',
    '-1',
    '1e3',
    '1e99',
    '1e400',
    '.5',
    '5.',
    '+',
    '-',
    'NaN',
    'Infinity',
    '0x1',
    '١',
  ),
  fc.double().map(String),
  fc.string({ maxLength: 12 }),
);
const value = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(','));
const names = [
  ...['viewport', 'window', 'quality', 'annotation', 'iccprofile', 'requestType', 'studyUID', 'seriesUID', 'objectUID'],
  ...['rows', 'columns', 'region', 'windowCenter', 'windowWidth', 'frameNumber', 'imageQuality', 'transferSyntax'],
];
const query = fc
  .array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 8 })
  .map((pairs) => new URLSearchParams(pairs as [string, string][]));
const uri = query.map(
  (given) =>
    new URLSearchParams([['requestType', 'WADO'], ['studyUID', '1'], ['seriesUID', '1'], ['objectUID', '1'], ...given]),
);

/** What was read; undefined where it was refused as the client's fault. */
function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    expect(error).toBeInstanceOf(BadRequestError);
    return undefined;
  }
}

describe('queries of pictures', () => {
  it('are refused, or are numbers that can be worked with', () => {
    let read = 0;
    fc.assert(
      fc.property(fc.oneof(query, uri), (given) => {
        attempt(() => readThumbnailQuery(given));
        const asked = [
          attempt(() => readRenderQuery(given)),
          attempt(() => renderQueryOf(readWadoUriQuery(given).rendering, { rows: 3, columns: 70_000 })),
        ];
        for (const one of asked) {
          if (!one) continue;
          read++;
          const { quality = 1, viewport, window } = one;
          expect(Number.isInteger(quality) && quality >= 1 && quality <= 100).toBe(true);
          if (window) expect(Number.isFinite(window.center) && window.width > 0).toBe(true);
          if (!viewport) continue;
          for (const side of [viewport.width, viewport.height])
            expect(Number.isInteger(side) && side >= 1 && side <= Math.max(viewportSideMax, 70_000)).toBe(true);
          expect(Object.values(viewport.region ?? {}).every(Number.isFinite)).toBe(true);
        }
      }),
      { seed: 18, numRuns: 3_000 },
    );
    expect(read).toBeGreaterThan(300);
  });
});
