import { expect, it } from 'vitest';

import { goalText, type Rates, storeGoals } from './goals.js';

const rates: Rates = new Map([
  ['node', [400, 440]],
  ['storescp', [500, 550]],
  ['orthanc', [100, 110]],
  ['raw', [400, 440]],
]);
const texts = (associations: number, of: Rates) => storeGoals(associations, of).map(goalText);

it('one association is held against the raw loop, several against storescp', () => {
  expect(texts(1, rates)).toEqual([
    '- 1 association: of Orthanc: 4.00 ×, ≥ 3 × wanted: met',
    '- 1 association: of write + fsync + commit, one writer: 1.00 ×, ≥ 0.8 × wanted: met',
  ]);
  expect(texts(8, rates)).toEqual([
    '- 8 associations: of storescp, which does not flush: 0.80 ×, ≥ 1 × wanted: **missed**',
    '- 8 associations: of Orthanc: 4.00 ×, ≥ 3 × wanted: met',
  ]);
});

it('a receiver that was left out makes no goal met', () => {
  expect(texts(4, new Map([['node', [400]]]))).toEqual([
    '- 4 associations: of storescp, which does not flush: ≥ 1 × wanted, not measured',
    '- 4 associations: of Orthanc: ≥ 3 × wanted, not measured',
  ]);
});
