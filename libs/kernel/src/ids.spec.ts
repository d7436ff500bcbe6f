import { describe, expect, it } from 'vitest';

import { isConformantUid, isUid, nameUid, newId, uuidToUid } from './ids.js';

describe('UIDs', () => {
  it.each(['1.2.3', '0', '2.25.0', '1.0.3', `1.${'2'.repeat(62)}`])('%s is one as PS3.5 wants it', (uid) => {
    expect([isUid(uid), isConformantUid(uid)]).toEqual([true, true]);
  });

  it.each(['1.02.3', '01.2', '1.00', '1.2.003'])('%s is one as others issue them', (uid) => {
    expect([isUid(uid), isConformantUid(uid)]).toEqual([true, false]);
  });

  it.each(['', '1.', '.1', '1..2', '1.a', '1.2 ', '1.-2', '../1', `1.${'2'.repeat(63)}`])('%s is none', (uid) => {
    expect([isUid(uid), isConformantUid(uid)]).toEqual([false, false]);
  });

  it('that Callosum issues are as PS3.5 wants them', () => {
    for (let count = 0; count < 200; count++)
      expect([isConformantUid(uuidToUid(newId())), isConformantUid(nameUid(String(count)))]).toEqual([true, true]);
  });
});
