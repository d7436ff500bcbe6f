import { expect, it } from 'vitest';

import { answerFind, answerRetrieve, findNegotiation, isRelationalRetrieve } from './query-negotiation.js';

const find = '1.2.840.10008.5.1.4.1.2.2.1';
const asked = (...information: number[]) => [{ sopClassUid: find, information: Uint8Array.from(information) }];

it('agrees to what there is of what was asked, in as many fields', () => {
  expect(answerFind(Uint8Array.of(1, 1, 1, 1, 1, 1, 1))).toEqual(Uint8Array.of(1, 1, 1, 0, 0, 1, 0));
  expect(answerFind(Uint8Array.of(1))).toEqual(Uint8Array.of(1));
  expect(answerFind(Uint8Array.of(0, 0, 1))).toEqual(Uint8Array.of(0, 0, 1));
  expect(answerFind(Uint8Array.of())).toBeUndefined();
  expect(answerRetrieve(Uint8Array.of(1, 1))).toEqual(Uint8Array.of(1, 0));
});

it('an association has what it asked for its SOP class, and nothing else', () => {
  const none = { relational: false, combinedDatetime: false, fuzzyNames: false, emptyValues: false };
  expect(findNegotiation([], find)).toEqual(none);
  expect(findNegotiation(asked(0, 0, 1), find)).toEqual({ ...none, fuzzyNames: true });
  expect(findNegotiation(asked(1, 1, 0, 0, 0, 1), find)).toEqual({
    ...none,
    relational: true,
    combinedDatetime: true,
    emptyValues: true,
  });
  expect(findNegotiation(asked(1), '1.2.840.10008.5.1.4.1.2.1.1')).toEqual(none);
  // Asked twice, it is what was asked last, as it is answered.
  expect(findNegotiation([...asked(0), ...asked(1)], find)).toEqual({ ...none, relational: true });
  expect(isRelationalRetrieve(asked(1), find)).toBe(true);
  expect(isRelationalRetrieve(asked(0, 1), find)).toBe(false);
});
