import { describe, expect, it } from 'vitest';

import { chooseFrameForm, instanceChoices, readAccept, takesDicomJson } from './accept.js';
import { NotAcceptableError } from './errors.js';

const explicit = '1.2.840.10008.1.2.1';
const implicit = '1.2.840.10008.1.2';
const jpegLossless = '1.2.840.10008.1.2.4.70';
const choices = (header: string | undefined, syntax: string, several = false) =>
  instanceChoices(readAccept(header, undefined), syntax, several);
const frameForm = (header: string | undefined, syntax: string) =>
  chooseFrameForm(readAccept(header, undefined), syntax);

describe('readAccept', () => {
  it('takes anything when nothing is said', () => {
    expect(readAccept(undefined, undefined)).toEqual([{ type: '*/*', partType: undefined, transferSyntax: undefined }]);
    expect(readAccept('', undefined)[0]?.type).toBe('*/*');
  });

  it('orders by weight, then as given, and drops what is refused', () => {
    const types = readAccept('a/one;q=0.2, a/two, a/three;q=0, a/four', undefined).map(({ type }) => type);
    expect(types).toEqual(['a/two', 'a/four', 'a/one']);
  });

  it('prefers the query parameter to the header', () => {
    expect(readAccept('application/json', 'application/dicom+json')[0]?.type).toBe('application/dicom+json');
  });
});

describe('takesDicomJson', () => {
  it.each([
    '*/*',
    'application/*',
    'application/json',
    'application/dicom+json',
    'text/html, application/dicom+json;q=0.1',
  ])('%s', (header) => {
    expect(takesDicomJson(readAccept(header, undefined))).toBe(true);
  });

  it.each([
    'text/html',
    'application/dicom',
    'multipart/related; type="application/dicom+xml"',
    'application/json;q=0',
  ])('not %s', (header) => {
    expect(takesDicomJson(readAccept(header, undefined))).toBe(false);
  });
});

describe('instanceChoices', () => {
  const multipart = 'multipart/related; type="application/dicom"';

  it.each([explicit, implicit, jpegLossless])('means the stored syntax, %s, by transfer-syntax=*', (syntax) => {
    expect(choices(`${multipart}; transfer-syntax=*`, syntax)).toEqual([
      { transferSyntaxUid: syntax, multipart: true },
    ]);
    expect(choices('application/dicom; transfer-syntax=*', syntax)).toEqual([
      { transferSyntaxUid: syntax, multipart: false },
    ]);
  });

  it('means Explicit VR Little Endian when no syntax is named', () => {
    for (const header of [multipart, undefined])
      expect(choices(header, implicit)).toEqual([{ transferSyntaxUid: explicit, multipart: true }]);
  });

  it('keeps the order of weights', () => {
    const header = `${multipart}; transfer-syntax=*;q=0.5, ${multipart}; transfer-syntax=${jpegLossless}, application/dicom;q=0.7`;
    expect(choices(header, implicit)).toEqual([
      { transferSyntaxUid: jpegLossless, multipart: true },
      { transferSyntaxUid: explicit, multipart: false },
      { transferSyntaxUid: implicit, multipart: true },
    ]);
  });

  it('puts several instances into multipart only', () => {
    expect(() => choices('application/dicom', explicit, true)).toThrow(NotAcceptableError);
    expect(choices(`application/dicom, ${multipart};q=0.5`, explicit, true)).toEqual([
      { transferSyntaxUid: explicit, multipart: true },
    ]);
  });

  it.each(['image/png', 'application/dicom+json', 'multipart/related; type="application/dicom+xml"'])(
    'refuses %s',
    (header) => {
      expect(() => choices(header, explicit)).toThrow(NotAcceptableError);
    },
  );
});

describe('chooseFrameForm', () => {
  it('gives native frames as octets', () => {
    const contentType = `application/octet-stream; transfer-syntax=${explicit}`;
    expect(frameForm('multipart/related; type="application/octet-stream"', explicit)).toEqual({
      contentType,
      multipart: true,
    });
    expect(frameForm('multipart/related; type=application/octet-stream; transfer-syntax=*', implicit).contentType).toBe(
      contentType,
    );
    expect(frameForm('application/octet-stream', explicit)).toEqual({ contentType, multipart: false });
    expect(frameForm(undefined, explicit)).toEqual({ contentType, multipart: true });
  });

  it('gives compressed frames in the type of their syntax, as any syntax, and by family', () => {
    const contentType = `image/jpeg; transfer-syntax=${jpegLossless}`;
    expect(frameForm('multipart/related; type="image/jpeg"', jpegLossless).contentType).toBe(contentType);
    expect(frameForm('image/*', jpegLossless)).toEqual({ contentType, multipart: false });
    // What OHIF asks: whatever there is, and the part says what it is.
    expect(
      frameForm('multipart/related; type=application/octet-stream; transfer-syntax=*', jpegLossless).contentType,
    ).toBe(contentType);
  });

  it('gives no compressed bytes to a client that asks for plain octets or another syntax', () => {
    expect(() => frameForm('multipart/related; type="application/octet-stream"', jpegLossless)).toThrow(
      NotAcceptableError,
    );
    expect(() => frameForm('image/jp2', jpegLossless)).toThrow(NotAcceptableError);
    expect(() => frameForm(`image/jpeg; transfer-syntax=1.2.840.10008.1.2.4.50`, jpegLossless)).toThrow(
      NotAcceptableError,
    );
    expect(() => frameForm('image/png', explicit)).toThrow(NotAcceptableError);
  });
});
