import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  dateFromDicom,
  dateTimeFromDicom,
  dateToDicom,
  genderFromDicom,
  genderToDicom,
  humanNamesFromDicom,
  humanNamesToDicom,
  issuerSystem,
  sourceSystem,
  sopClassCoding,
  uidIdentifier,
  uidOfIdentifier,
} from './index.js';

const seed = 20260101;

describe('dates', () => {
  it.each([
    ['19700301', '1970-03-01'],
    ['197003', '1970-03'],
    ['1970', '1970'],
    [' 19700301 ', '1970-03-01'],
    ['1970.03.01', '1970-03-01'],
    ['20240229', '2024-02-29'],
    ['20230229', undefined],
    ['20231301', undefined],
    ['00000000', undefined],
    ['', undefined],
    ['19700101-19800101', undefined],
    [undefined, undefined],
  ])('DA %s is %s', (da, date) => expect(dateFromDicom(da)).toBe(date));

  it('a whole date survives both ways', () => {
    const days = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
    fc.assert(
      fc.property(days, (day) => {
        const da = day.toISOString().slice(0, 10).replaceAll('-', '');
        expect(dateToDicom(dateFromDicom(da))).toBe(da);
      }),
      { seed },
    );
    expect(dateToDicom('1970-03')).toBeUndefined();
  });

  it.each([
    ['20240501', '101530.123456', '+0200', '2024-05-01T10:15:30.123456+02:00'],
    ['20240501', '1015', '-0330', '2024-05-01T10:15:00-03:30'],
    ['20240501', '10:15:30', '+0000', '2024-05-01T10:15:30+00:00'],
    ['20240501', '101560', '+0000', '2024-05-01T10:15:59+00:00'],
    // Europe/Berlin: winter, summer, the hour that does not exist, the hour that happens twice.
    ['20240115', '120000', 'Europe/Berlin', '2024-01-15T12:00:00+01:00'],
    ['20240715', '120000', 'Europe/Berlin', '2024-07-15T12:00:00+02:00'],
    ['20240331', '023000', 'Europe/Berlin', '2024-03-31T02:30:00+01:00'],
    ['20241027', '023000', 'Europe/Berlin', '2024-10-27T02:30:00+02:00'],
    // Without a zone or minutes a FHIR dateTime may not hold a time.
    ['20240501', '101530', undefined, '2024-05-01'],
    ['20240501', '101530', 'Mars/Olympus', '2024-05-01'],
    ['20240501', '10', '+0200', '2024-05-01'],
    ['20240501', undefined, '+0200', '2024-05-01'],
    ['202405', '101530', '+0200', '2024-05'],
    ['', '101530', '+0200', undefined],
    ['20240501', '101530', '+1500', '2024-05-01'],
  ])('DA %s TM %s in %s is %s', (da, tm, zone, expected) => expect(dateTimeFromDicom(da, tm, zone)).toBe(expected));
});

const representation = 'http://hl7.org/fhir/StructureDefinition/iso21090-EN-representation';

describe('names', () => {
  it('keep their components', () => {
    expect(humanNamesFromDicom('Adams^John Robert^Quincy^Rev.^B.A. M.Div.')).toEqual([
      { family: 'Adams', given: ['John Robert', 'Quincy'], prefix: ['Rev.'], suffix: ['B.A. M.Div.'] },
    ]);
    expect(humanNamesFromDicom('^Ada')).toEqual([{ given: ['Ada'] }]);
    // What no string of FHIR may hold: a no-break space and control characters.
    expect(humanNamesFromDicom('Le\u00a0Gall^Ada\x01\u3000')).toEqual([{ family: 'Le Gall', given: ['Ada'] }]);
    for (const empty of ['', '^^^^', '=', ' ', undefined]) expect(humanNamesFromDicom(empty)).toEqual([]);
  });

  it('keep their writings apart (PS3.5 H.3.1)', () => {
    const pn = 'Yamada^Tarou=山田^太郎=やまだ^たろう';
    const names = humanNamesFromDicom(pn);
    expect(names.map(({ family, extension }) => [family, extension?.[0]?.valueCode])).toEqual([
      ['Yamada', 'ABC'],
      ['山田', 'IDE'],
      ['やまだ', 'SYL'],
    ]);
    expect(humanNamesToDicom(names)).toBe(pn);
    expect(humanNamesToDicom(humanNamesFromDicom('=山田^太郎'))).toBe('=山田^太郎');
  });

  it('choose the official name and cannot break out of their component', () => {
    expect(
      humanNamesToDicom([
        { use: 'maiden', family: 'Old' },
        { use: 'official', family: 'New', given: ['A=B^C\\D'] },
      ]),
    ).toBe('New^A B C D');
    expect(humanNamesToDicom([{ text: 'Only Text' }])).toBe('Only Text');
    expect(humanNamesToDicom(undefined)).toBe('');
  });

  it('are as long as a modality takes them, and one line (PS3.5 6.2)', () => {
    const long = 'Wolfeschlegelsteinhausenbergerdorff';
    const given = ['Adolph', 'Blaine Charles David Earl'];
    // What matters least goes first, and a name that fits is whole.
    const name = { family: long, given, prefix: ['Dr.'], suffix: ['Senior'] };
    expect(humanNamesToDicom([name])).toBe(`${long}^Adolph`);
    expect(humanNamesToDicom([{ ...name, given: ['Adolph', 'B.'] }])).toBe(`${long}^Adolph^B.^Dr.^Senior`);
    expect(humanNamesToDicom([{ family: 'x'.repeat(70), given: ['Ada'] }])).toBe('x'.repeat(64));
    expect(humanNamesToDicom([{ text: 'y'.repeat(70) }])).toBe('y'.repeat(64));
    // Each group by itself, in characters: 64 of four bytes are 64.
    const ideographic = { extension: [{ url: representation, valueCode: 'IDE' }], family: '\u{20BB7}'.repeat(70) };
    expect(humanNamesToDicom([{ family: 'z'.repeat(64) }, ideographic])).toBe(
      `${'z'.repeat(64)}=${'\u{20BB7}'.repeat(64)}`,
    );
    expect(humanNamesToDicom([{ family: 'O\r\nNeil\u001b', given: ['A\tB'] }])).toBe('O  Neil^A B');
  });

  it('survive both ways', () => {
    const component = fc.string({ minLength: 1, maxLength: 12 }).map((text) => text.replace(/[\^=\\\s]/g, 'x'));
    fc.assert(
      fc.property(fc.array(component, { minLength: 1, maxLength: 5 }), (parts) => {
        const pn = parts.join('^');
        expect(humanNamesToDicom(humanNamesFromDicom(pn))).toBe(pn);
      }),
      { seed },
    );
  });
});

describe('sex', () => {
  it.each([
    ['M', 'male', 'M'],
    ['F', 'female', 'F'],
    ['O', 'other', 'O'],
    ['X', 'unknown', ''],
    ['', undefined, ''],
  ] as const)('%s is %s', (sex, gender, back) => {
    expect(genderFromDicom(sex)).toBe(gender);
    expect(genderToDicom(gender)).toBe(back);
  });
});

describe('identifiers', () => {
  it('hold a UID as a URI', () => {
    expect(uidIdentifier('1.2.3')).toEqual({ system: 'urn:dicom:uid', value: 'urn:oid:1.2.3' });
    expect(uidOfIdentifier(uidIdentifier('1.2.3'))).toBe('1.2.3');
    expect(uidOfIdentifier({ system: 'urn:dicom:uid', value: 'urn:oid:1.x' })).toBeUndefined();
    expect(uidOfIdentifier({ system: 'urn:other', value: 'urn:oid:1.2' })).toBeUndefined();
  });

  it('hold a UID that is no OID by itself, and never as another one', () => {
    expect(uidIdentifier('1.02.3')).toEqual({ system: 'urn:dicom:uid', value: '1.02.3' });
    expect(uidOfIdentifier(uidIdentifier('1.02.3'))).toBe('1.02.3');
    expect(uidOfIdentifier({ system: 'urn:dicom:uid', value: 'urn:oid:1.02.3' })).toBe('1.02.3');
    expect(sopClassCoding('1.2.03')).toEqual({ system: 'urn:dicom:uid', code: '1.2.03' });
    expect(sopClassCoding('1.2.3')).toEqual({ system: 'urn:ietf:rfc:3986', code: 'urn:oid:1.2.3' });
    expect(issuerSystem({ universalId: '1.02.3', universalIdType: 'ISO' }, 'a')).toMatch(/^urn:uuid:/);
  });

  it('name an issuer by its universal id, else privately to the site, always the same', () => {
    expect(issuerSystem({ namespaceId: 'HOSP', universalId: '1.2.3', universalIdType: 'ISO' }, 'a')).toBe(
      'urn:oid:1.2.3',
    );
    expect(issuerSystem({ universalId: 'https://hosp.example/mrn', universalIdType: 'URI' }, 'a')).toBe(
      'https://hosp.example/mrn',
    );
    const own = issuerSystem({ namespaceId: 'HOSP' }, 'a');
    // Written down: stored identities depend on it for ever.
    expect(own).toBe('urn:uuid:ae5e850b-2e76-5514-86c6-9db32249b384');
    expect(issuerSystem({ namespaceId: ' hosp ' }, 'a')).toBe(own);
    expect(issuerSystem({ namespaceId: 'HOSP' }, 'b')).not.toBe(own);
    expect(issuerSystem({ namespaceId: 'HOSP', universalId: 'not an oid', universalIdType: 'ISO' }, 'a')).not.toBe(own);
    expect(issuerSystem({ namespaceId: ' ' }, 'a')).toBeUndefined();
    expect(sourceSystem('a', 'HOSP')).not.toBe(own);
  });
});
