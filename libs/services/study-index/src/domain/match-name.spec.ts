import { matchesKeys, matchesName, matchesWildcard, type NamePattern, readMatch } from '@callosum/dicom';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { nameKeys } from './levels.js';
import { narrowName } from './match-name.js';

const groupsOf = (key: string): readonly (NamePattern | undefined)[] => {
  const condition = readMatch('00100010', 'name', key);
  return condition?.kind === 'name' ? condition.groups : [];
};
const matches = (key: string, stored: string): boolean => matchesName(groupsOf(key), stored, matchesWildcard);

describe('person names', () => {
  it.each<[key: string, stored: string, expected: boolean]>([
    ['doe^jane', 'DOE^JANE', true],
    ['DOE^JANE^^', 'Doe^Jane', true],
    ['doe', 'Doe^Jane', false],
    ['doe*', 'Doe^Jane', true],
    ['doe^*', 'Doe', true],
    ['doe^*', 'Doe^Jane^Q', true],
    ['*^jane', 'Doe^Jane', true],
    ['*^jane', 'Doe^Ann^Jane', false],
    ['^jane', 'Doe^Jane', false],
    ['*jane*', 'Doe^Mary Jane', true],
    ['d?e^jane', 'DÖE^Jane', true],
    ['müller', 'MÜLLER', true],
    ['muller', 'Müller', false],
    // One letter in two spellings of Unicode.
    ['mu\u0308ller', 'M\u00fcller', true],
    ['ΟΔΥΣ*', 'Οδυσσεύς', true],
    ['οδυσσεύς', 'ΟΔΥΣΣΕΎΣ', true],
    ['山田*', 'Yamada^Tarou=山田^太郎=やまだ^たろう', true],
    ['やまだ^たろう', 'Yamada^Tarou=山田^太郎=やまだ^たろう', true],
    ['=山田*', 'Yamada^Tarou=山田^太郎', true],
    ['=yamada*', 'Yamada^Tarou=山田^太郎', false],
    ['yamada*=山田*', 'Yamada^Tarou=山田^太郎', true],
    ['yamada*=田中*', 'Yamada^Tarou=山田^太郎', false],
    ['yamada*==やまだ*', 'Yamada^Tarou=山田^太郎', false],
    ['de  la  cruz^ana', 'De la Cruz^Ana', true],
    ["o'neill*", "O'Neill^Sean", true],
  ])('%s finds %s: %s', (key, stored, expected) => {
    expect(matches(key, stored)).toBe(expected);
  });

  /** SQL's LIKE, as far as patterns are made here. */
  const like = (pattern: string, text: string): boolean =>
    new RegExp(
      `^${pattern.replace(/\\(.)|%|_|[^\\%_]/gsu, (all, escaped: string | undefined) =>
        escaped !== undefined ? quote(escaped) : all === '%' ? '.*' : all === '_' ? '.' : quote(all),
      )}$`,
      'su',
    ).test(text);
  const quote = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');

  it('are all among those that the index is asked for, whatever they are written in', () => {
    const part = fc.string({ unit: fc.constantFrom(...'aAzZ üÜéßΣσςŐIıﬁ山ﾔガ%_\\-'), maxLength: 4 });
    const name = fc.tuple(part, part, part).map((parts) => parts.join('^'));
    const keyOf = fc
      .tuple(name, fc.array(fc.tuple(fc.nat(12), fc.constantFrom('*', '?')), { maxLength: 3 }), fc.boolean())
      .map(([stored, holes, upper]) => {
        const characters = [...stored.normalize('NFC')];
        for (const [at, hole] of holes) if (at < characters.length && characters[at] !== '^') characters[at] = hole;
        return { stored, key: upper ? characters.join('').toUpperCase() : characters.join('') };
      });
    let matched = 0;
    fc.assert(
      fc.property(keyOf, ({ stored, key }) => {
        const [pattern] = groupsOf(key);
        if (!pattern || !matches(key, stored)) return;
        matched++;
        // Who asks more loosely finds no less.
        const fuzzy = readMatch('00100010', 'name', key, { fuzzy: true });
        const dataset = { '00100010': { vr: 'PN', Value: [{ Alphabetic: stored }] } };
        if (fuzzy) expect(matchesKeys(dataset, [{ path: ['00100010'], condition: fuzzy }])).toBe(true);
        const narrowing = narrowName(pattern);
        const column = nameKeys(stored).alphabetic;
        expect(narrowing.kind === 'equal' ? column === narrowing.text : like(narrowing.text, column)).toBe(true);
      }),
      { seed: 20261126, numRuns: 1_000 },
    );
    expect(matched).toBeGreaterThan(300);
  });
});
