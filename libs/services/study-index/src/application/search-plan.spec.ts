import { imaging } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { planSearch } from './search-plan.js';

const planned = (...matches: { tag: string; value: string }[]) =>
  planSearch(imaging.SearchRequest.fromPartial({ level: imaging.QueryLevel.QUERY_LEVEL_STUDY, matches }));

// Specific Character Set, Query/Retrieve Level and View, Retrieve AE Title, Retrieve URL.
describe.each(['00080005', '00080052', '00080053', '00080054', '00081190'])(
  'a key that the index cannot know, %s',
  (tag) => {
    it('with a value is named as left out, as any other that cannot be matched', () => {
      for (const value of ['ISO_IR 100', 'STUDY*', '""']) {
        const { keys, unsupported } = planned({ tag, value }, { tag: '00100020', value: 'P1' });
        expect([keys.length, unsupported]).toEqual([1, [tag]]);
      }
    });

    it('without one is asked for and no more', () => {
      for (const value of ['', '*']) expect(planned({ tag, value }).unsupported).toEqual([]);
    });
  },
);

it('Instance Availability is matched by', () => {
  const { keys, unsupported } = planned({ tag: '00080056', value: 'ONLINE' });
  expect([keys.length, unsupported]).toEqual([1, []]);
});
