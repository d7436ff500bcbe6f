import { transferSyntaxes } from '@callosum/dicom';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { contentTypeOf, frameChoices, syntaxAsStored } from './frame-choices.js';
import { readAccept } from './negotiate.js';

const explicit = '1.2.840.10008.1.2.1';
const implicit = '1.2.840.10008.1.2';
const bigEndian = '1.2.840.10008.1.2.2';
const jpegBaseline = '1.2.840.10008.1.2.4.50';
const jpegProcess14 = '1.2.840.10008.1.2.4.57';
const jpegLossless = '1.2.840.10008.1.2.4.70';
const jpegLs = '1.2.840.10008.1.2.4.80';
const jpeg2000 = '1.2.840.10008.1.2.4.90';
const jpeg2000Lossy = '1.2.840.10008.1.2.4.91';
const rle = '1.2.840.10008.1.2.5';
const htj2k = '1.2.840.10008.1.2.4.201';
const mpeg2HighLevel = '1.2.840.10008.1.2.4.101';
const octets = 'application/octet-stream';
const nativeOctets = `${octets}; transfer-syntax=${explicit}`;

const offered = (header: string | undefined, stored: string, several = false): string[] =>
  frameChoices(readAccept(header, undefined), stored, several).map(
    (choice) => `${choice.multipart ? 'multipart ' : ''}${contentTypeOf(choice)}`,
  );
/** Of the forms, that in which nothing is made of what is stored. */
const frameForm = (header: string | undefined, syntax: string) => {
  const choice = frameChoices(readAccept(header, undefined), syntax, false).find(
    ({ transferSyntaxUid }) => transferSyntaxUid === syntaxAsStored(syntax),
  );
  return choice && { contentType: contentTypeOf(choice), multipart: choice.multipart };
};
const multipart = (type: string, ...parameters: string[]): string =>
  [`multipart/related; type="${type}"`, ...parameters].join('; ');

describe('frameChoices', () => {
  it.each([
    // The default of a frame is octets in Explicit VR Little Endian (Table 8.7.3-4), whatever is stored.
    [undefined, explicit, [`multipart ${nativeOctets}`]],
    ['*/*', implicit, [`multipart ${nativeOctets}`]],
    [multipart(octets), bigEndian, [`multipart ${nativeOctets}`]],
    [multipart(octets), jpegLs, [`multipart ${nativeOctets}`]],
    [octets, jpegBaseline, [nativeOctets]],
    ['*/*', jpegLs, [`multipart ${nativeOctets}`, `multipart image/jls; transfer-syntax=${jpegLs}`]],
    ['multipart/related', jpegLs, [`multipart ${nativeOctets}`, `multipart image/jls; transfer-syntax=${jpegLs}`]],
    ['application/*', jpegLs, [nativeOctets]],
    // Without the parameter, the default syntax of each type (Table 8.7.3-5).
    ['image/jpeg', explicit, [`image/jpeg; transfer-syntax=${jpegLossless}`]],
    ['image/jls', explicit, [`image/jls; transfer-syntax=${jpegLs}`]],
    ['image/jp2', jpegLs, [`image/jp2; transfer-syntax=${jpeg2000}`]],
    ['image/jphc', jpegLs, [`image/jphc; transfer-syntax=${htj2k}`]],
    ['image/dicom-rle', implicit, [`image/dicom-rle; transfer-syntax=${rle}`]],
    [multipart('image/jp2'), explicit, [`multipart image/jp2; transfer-syntax=${jpeg2000}`]],
    // What is stored in another syntax of that type follows it, for what cannot be had in the default one (8.7.3).
    ['image/jpeg', jpegProcess14, [jpegLossless, jpegProcess14].map((uid) => `image/jpeg; transfer-syntax=${uid}`)],
    // What was lossy stays as it is (8.7.3): a lossless copy would say more than it knows.
    ['image/jpeg', jpegBaseline, [`image/jpeg; transfer-syntax=${jpegBaseline}`]],
    // Under another type there is no other form of it than one compressed again, which loses nothing more.
    ['image/jls', jpegBaseline, [`image/jls; transfer-syntax=${jpegLs}`]],
    ['image/jp2', jpeg2000Lossy, [`image/jp2; transfer-syntax=${jpeg2000Lossy}`]],
    // "*" is as stored, and a part says what it is (8.7.3.5.2).
    [multipart(octets, 'transfer-syntax=*'), jpegLs, [`multipart image/jls; transfer-syntax=${jpegLs}`]],
    [multipart(octets, 'transfer-syntax="*"'), jpegLs, [`multipart image/jls; transfer-syntax=${jpegLs}`]],
    ['multipart/related; type=application/octet-stream; transfer-syntax=*', explicit, [`multipart ${nativeOctets}`]],
    [multipart(octets, 'transfer-syntax=*'), bigEndian, [`multipart ${nativeOctets}`]],
    ['*/*; transfer-syntax=*', jpegLs, [`multipart image/jls; transfer-syntax=${jpegLs}`]],
    ['image/jp2; transfer-syntax=*', jpeg2000Lossy, [`image/jp2; transfer-syntax=${jpeg2000Lossy}`]],
    ['image/jp2; transfer-syntax=*', explicit, [`image/jp2; transfer-syntax=${jpeg2000}`]],
    // A syntax by its UID, of its own type only.
    [`image/jls; transfer-syntax=${jpegLs}`, jpeg2000, [`image/jls; transfer-syntax=${jpegLs}`]],
    [`*/*; transfer-syntax=${jpegLs}`, explicit, [`multipart image/jls; transfer-syntax=${jpegLs}`]],
    [`${octets}; transfer-syntax=${explicit}`, jpeg2000, [nativeOctets]],
    [multipart(octets, `transfer-syntax=${jpegLs}`), explicit, [`multipart image/jls; transfer-syntax=${jpegLs}`]],
    [`image/jls; transfer-syntax=${jpeg2000}`, jpeg2000, []],
    [`${octets}; transfer-syntax=${implicit}`, implicit, []],
    [`*/*; transfer-syntax=${bigEndian}`, bigEndian, []],
    ['*/*; transfer-syntax=2.25.1', explicit, []],
    // A family is what is stored, where that is of it: it has no default that frames could be put into.
    ['image/*', jpegLossless, [`image/jpeg; transfer-syntax=${jpegLossless}`]],
    ['image/*', explicit, []],
    ['video/*', jpegLossless, []],
    // Names from before registration are answered by the same name.
    ['image/x-jls', explicit, [`image/x-jls; transfer-syntax=${jpegLs}`]],
    [multipart('image/x-dicom-rle'), rle, [`multipart image/x-dicom-rle; transfer-syntax=${rle}`]],
    // Video is given as it is stored, and not made.
    ['video/mpeg2', mpeg2HighLevel, [`video/mpeg2; transfer-syntax=${mpeg2HighLevel}`]],
    ['video/mpeg', mpeg2HighLevel, [`video/mpeg; transfer-syntax=${mpeg2HighLevel}`]],
    ['video/mp4', mpeg2HighLevel, []],
    ['*/*', mpeg2HighLevel, [`multipart ${nativeOctets}`, `multipart video/mpeg2; transfer-syntax=${mpeg2HighLevel}`]],
    // Nothing that a frame is.
    ['image/png', explicit, []],
    ['application/dicom', explicit, []],
  ])('for %s of what is stored in %s', (header, stored, expected) => {
    expect(offered(header, stored)).toEqual(expected);
  });

  it.each([
    // By weight, then as named; the most specific range weighs (RFC 9110 12.5.1).
    [`image/jls;q=0.5, image/jp2`, [`image/jp2; transfer-syntax=${jpeg2000}`, `image/jls; transfer-syntax=${jpegLs}`]],
    [`image/jls, image/jp2`, [`image/jls; transfer-syntax=${jpegLs}`, `image/jp2; transfer-syntax=${jpeg2000}`]],
    [`image/jls;q=0, */*`, [`multipart ${nativeOctets}`]],
    [`${octets};q=0, */*`, [`multipart image/jls; transfer-syntax=${jpegLs}`]],
    [`multipart/related;q=0, */*`, [nativeOctets, `image/jls; transfer-syntax=${jpegLs}`]],
    [`${multipart('image/jls')};q=0, multipart/related`, [`multipart ${nativeOctets}`]],
    [`image/*;q=0, image/jls`, [`image/jls; transfer-syntax=${jpegLs}`]],
    [`image/jls; transfer-syntax=${jpegLs};q=0, image/*, ${octets};q=0.1`, [nativeOctets]],
    [`*/*;q=0`, []],
  ])('for %s of what is stored in JPEG-LS', (header, expected) => {
    expect(offered(header, jpegLs)).toEqual(expected);
  });

  it('puts several frames into multipart only (PS3.18 10.4.4)', () => {
    expect(offered(`${octets}, image/jls, ${multipart('image/jls')};q=0.1`, jpegLs, true)).toEqual([
      `multipart image/jls; transfer-syntax=${jpegLs}`,
    ]);
    expect(offered('*/*', explicit, true)).toEqual([`multipart ${nativeOctets}`]);
    expect(offered('image/*', jpegLs, true)).toEqual([]);
  });

  it('offers to any header only what it names, and never octets that are compressed', () => {
    const type = fc.constantFrom('*/*', 'image/*', octets, 'image/jls', 'image/jp2', 'image/x-jls', 'text/html');
    const syntax = fc.constantFrom(
      '',
      '; transfer-syntax=*',
      ...[...transferSyntaxes.keys()].map((uid) => `; transfer-syntax=${uid}`),
    );
    const weight = fc.constantFrom('', ';q=0', ';q=0.5', ';q=0.9');
    const range = fc
      .tuple(type, syntax, weight, fc.boolean())
      .map(([one, uid, q, packed]) => (packed ? `multipart/related; type="${one}"${uid}${q}` : `${one}${uid}${q}`));
    fc.assert(
      fc.property(
        fc.array(range, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(...transferSyntaxes.keys()),
        fc.boolean(),
        (ranges, stored, several) => {
          const choices = frameChoices(readAccept(ranges.join(', '), undefined), stored, several);
          expect(new Set(choices.map((choice) => JSON.stringify(choice))).size).toBe(choices.length);
          for (const { mediaType, multipart: packed, transferSyntaxUid } of choices) {
            expect(several && !packed).toBe(false);
            expect([implicit, bigEndian]).not.toContain(transferSyntaxUid);
            // Of a few syntaxes nobody has registered a type: they are octets, and only as stored.
            if (mediaType === octets) expect([explicit, stored]).toContain(transferSyntaxUid);
            expect(ranges.some((one) => one.includes(mediaType) || /\*\/\*|image\/\*|octet-stream/.test(one))).toBe(
              true,
            );
          }
          if (ranges.every((one) => one.endsWith(';q=0'))) expect(choices).toHaveLength(0);
        },
      ),
      { seed: 41, numRuns: 2000 },
    );
  });
});

describe('pixels as they are stored', () => {
  it('are octets where they are native', () => {
    const contentType = nativeOctets;
    expect(frameForm('multipart/related; type="application/octet-stream"', explicit)).toEqual({
      contentType,
      multipart: true,
    });
    expect(
      frameForm('multipart/related; type=application/octet-stream; transfer-syntax=*', implicit)?.contentType,
    ).toBe(contentType);
    expect(frameForm('application/octet-stream', explicit)).toEqual({ contentType, multipart: false });
    expect(frameForm(undefined, explicit)).toEqual({ contentType, multipart: true });
  });

  it('are of the type of their syntax where they are compressed, asked for by it, as any syntax, and by family', () => {
    const contentType = `image/jpeg; transfer-syntax=${jpegLossless}`;
    expect(frameForm('multipart/related; type="image/jpeg"', jpegLossless)?.contentType).toBe(contentType);
    expect(frameForm('image/*', jpegLossless)).toEqual({ contentType, multipart: false });
    expect(frameForm('*/*', jpegLossless)).toEqual({ contentType, multipart: true });
    // What OHIF asks: whatever there is, and the part says what it is.
    expect(
      frameForm('multipart/related; type=application/octet-stream; transfer-syntax=*', jpegLossless)?.contentType,
    ).toBe(contentType);
  });

  it('are nothing for a client that asks for plain octets or another syntax', () => {
    expect(frameForm('multipart/related; type="application/octet-stream"', jpegLossless)).toBeUndefined();
    expect(frameForm('image/jp2', jpegLossless)).toBeUndefined();
    expect(frameForm('image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50', jpegLossless)).toBeUndefined();
    expect(frameForm('image/png', explicit)).toBeUndefined();
  });
});
