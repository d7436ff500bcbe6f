import { expect, it } from 'vitest';

import { topFunctions } from './cpu-profile.js';

const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber });
const profile = {
  startTime: 1_000,
  nodes: [
    { id: 1, callFrame: frame('(idle)') },
    { id: 2, callFrame: frame('(garbage collector)') },
    { id: 3, callFrame: frame('write', 'file:///x/dimse/dist/pdu.js', 9) },
    { id: 4, callFrame: frame('write', 'file:///x/dimse/dist/pdu.js', 9) },
  ],
  samples: [3, 1, 2, 3, 4, 3],
  timeDeltas: [100, 400, 100, 200, 100, 5_000],
};

it('adds up what each function took itself inside the window, without idle time', () => {
  expect(topFunctions(profile, { fromUs: 1_200, toUs: 2_000 })).toEqual([
    'the main thread worked 50.0 % of the time, of that:',
    ' 75.0 %  write dist/pdu.js:10',
    ' 25.0 %  (garbage collector)',
  ]);
});

it('says when nothing was seen', () => {
  expect(topFunctions(profile, { fromUs: 1, toUs: 2 })).toEqual(['no sample falls into the measured time']);
});
