import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeText } from './charset.js';
import { textEncodingOf } from './index.js';

const hex = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): string => text.replace(/ /g, '').toLowerCase();
const encode = (characterSet: string, text: string, vr = 'PN') => textEncodingOf(characterSet)?.encode(text, vr);

/** What PS3.5 shows byte by byte. */
const examples: readonly (readonly [annex: string, characterSet: string, vr: string, text: string, bytes: string])[] = [
  [
    'H.3.1',
    '\\ISO 2022 IR 87',
    'PN',
    'Yamada^Tarou=山田^太郎=やまだ^たろう',
    `59616D6164615E5461726F753D 1B2442 3B334544 1B2842 5E 1B2442 42404F3A 1B2842 3D
     1B2442 2464245E2440 1B2842 5E 1B2442 243F246D2426 1B2842`,
  ],
  [
    'H.3.2',
    'ISO 2022 IR 13\\ISO 2022 IR 87',
    'PN',
    'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう',
    `D4CFC0DE5EC0DBB33D 1B2442 3B334544 1B284A 5E 1B2442 42404F3A 1B284A 3D
     1B2442 2464245E2440 1B284A 5E 1B2442 243F246D2426 1B284A`,
  ],
  [
    'I.2',
    '\\ISO 2022 IR 149',
    'PN',
    'Hong^Gildong=洪^吉洞=홍^길동',
    `486F6E675E47696C646F6E673D 1B242943 FBF3 5E 1B242943 D1CED4D7 3D
     1B242943 C8AB 5E 1B242943 B1E6B5BF`,
  ],
  ['J.1', 'ISO_IR 192', 'PN', 'Wang^XiaoDong=王^小東', '57616E675E5869616F446F6E673D E78E8B 5E E5B08FE69DB1'],
  ['J.3', 'GB18030', 'PN', 'Wang^XiaoDong=王^小东', '57616E675E5869616F446F6E673D CDF5 5E D0A1B6AB'],
  [
    'K.2',
    '\\ISO 2022 IR 58',
    'PN',
    'Zhang^XiaoDong=张^小东=',
    '5A68616E675E5869616F446F6E673D 1B242941 D5C5 5E 1B242941 D0A1B6AB 3D',
  ],
  [
    'K.3',
    '\\ISO 2022 IR 58',
    'LT',
    'includes 张三.\r\nincludes 李四.',
    '696E636C7564657320 1B242941 D5C5C8FD2E0D0A 696E636C7564657320 1B242941 C0EECBC42E',
  ],
];

/** Sets, and characters of each from its corners. */
const repertoires: readonly (readonly [characterSet: string, characters: string])[] = [
  ['', 'AZaz09 .-'],
  ['ISO_IR 100', 'aäéøÿ ¿ß'],
  ['ISO_IR 101', 'aąĽśžőű'],
  ['ISO_IR 109', 'aĦħĉŭ'],
  ['ISO_IR 110', 'aĸŗūŋ'],
  ['ISO_IR 144', 'aЯяЪёЂ№'],
  ['ISO_IR 127', 'aقبانيء'],
  ['ISO_IR 126', 'aΔιονυσιος€'],
  ['ISO_IR 138', 'aשרוןדב'],
  ['ISO_IR 148', 'ağİıŞş'],
  ['ISO_IR 203', 'aŠšŽœŸ€'],
  ['ISO_IR 166', 'aนามสกุล'],
  ['ISO_IR 13', 'aZ9 ｱｲｳﾞﾟ｡'],
  ['ISO 2022 IR 6\\ISO 2022 IR 100', 'aé^ü'],
  ['ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126', 'aéЯΔ '],
  ['ISO 2022 IR 203\\ISO 2022 IR 138', 'aŸש '],
  ['\\ISO 2022 IR 87', 'a~\u3000山田あアЯ─'],
  ['\\ISO 2022 IR 87\\ISO 2022 IR 159', 'a丂山龥あ'],
  ['ISO 2022 IR 13\\ISO 2022 IR 87\\ISO 2022 IR 159', 'a~ｱﾝ山丂 あ'],
  ['\\ISO 2022 IR 149', 'a 홍길동洪'],
  ['\\ISO 2022 IR 58', 'a 张东小王'],
  ['\\ISO 2022 IR 149\\ISO 2022 IR 87\\ISO 2022 IR 58\\ISO 2022 IR 100', 'a 홍東张あé'],
  ['GBK', 'a张東镕€'],
  ['GB18030', 'a张東€한ẞ😀\u{20089}'],
  ['ISO_IR 192', 'aä山한😀'],
];

describe('text in character sets', () => {
  it.each(examples)('is written and read as PS3.5 %s shows it', (_annex, characterSet, vr, text, bytes) => {
    const written = encode(characterSet, text, vr);
    expect(hex(written)).toBe(bytesOf(bytes.replace(/\s/g, '')));
    expect(decodeText(written ?? new Uint8Array(), vr, characterSet)).toBe(text);
  });

  it.each(repertoires)('in %j reads as it was written', (characterSet, characters) => {
    const text = fc.string({ unit: fc.constantFrom(...characters), maxLength: 20 });
    const value = fc.oneof(
      text,
      fc.tuple(text, text, text).map(([a, b, c]) => `${a}^${b}=${c}`),
    );
    fc.assert(
      fc.property(value, fc.constantFrom('PN', 'LO', 'LT'), (one, vr) => {
        const encoding = textEncodingOf(characterSet);
        const bytes = encoding?.encode(one, vr);
        expect(bytes).toBeDefined();
        expect(decodeText(bytes ?? new Uint8Array(), vr, encoding?.characterSet ?? '')).toBe(one);
      }),
      { seed: 20261126, numRuns: 30 },
    );
  });

  it('parts values where each begins in the first set again', () => {
    const bytes = encode('\\ISO 2022 IR 87', '山田\\太郎', 'LO');
    expect(hex(bytes)).toBe(bytesOf('1B2442 3B334544 1B2842 5C 1B2442 42404F3A 1B2842'));
  });

  it.each([
    ['', 'é'],
    ['ISO_IR 100', 'Ω'],
    ['ISO_IR 13', '~'],
    ['\\ISO 2022 IR 87', '한'],
    ['\\ISO 2022 IR 58', '東'],
    ['GBK', '😀'],
    ['\\ISO 2022 IR 87', 'a\x1b(B'],
  ])('%j does not have %j, and says so', (characterSet, text) => {
    expect(textEncodingOf(characterSet)).toBeDefined();
    expect(encode(characterSet, text, 'LO')).toBeUndefined();
  });

  it.each(['ISO_IR 9999', 'ISO 2022 IR 6\\GB18030', 'nonsense'])('%j is no set to write in', (characterSet) => {
    expect(textEncodingOf(characterSet)).toBeUndefined();
  });

  it('takes misspelled and shortened terms for what they mean', () => {
    expect(textEncodingOf('iso-ir 100')?.characterSet).toBe('ISO_IR 100');
    expect(textEncodingOf('ISO_IR 13\\ISO 2022 IR 87')?.characterSet).toBe('ISO 2022 IR 13\\ISO 2022 IR 87');
    expect(textEncodingOf('ISO 2022 IR 149')?.characterSet).toBe('\\ISO 2022 IR 149');
  });
});
