import fc from 'fast-check';

import { element } from '../../../standards/dimse/test-support/objects.js';

// What a broken or hostile peer puts where attributes are expected; Explicit VR Little Endian.

export const uids = {
  ct: '1.2.840.10008.5.1.4.1.1.2',
  patientRootFind: '1.2.840.10008.5.1.4.1.2.1.1',
  patientRootMove: '1.2.840.10008.5.1.4.1.2.1.2',
  studyRootFind: '1.2.840.10008.5.1.4.1.2.2.1',
  studyRootMove: '1.2.840.10008.5.1.4.1.2.2.2',
  studyRootGet: '1.2.840.10008.5.1.4.1.2.2.3',
  worklist: '1.2.840.10008.5.1.4.31',
  commitment: '1.2.840.10008.1.20.1',
  commitmentInstance: '1.2.840.10008.1.20.1.1',
  mpps: '1.2.840.10008.3.1.2.3.3',
  mppsRetrieve: '1.2.840.10008.3.1.2.3.4',
} as const;

/** Attributes that queries, retrieves, commitment and procedure steps read. */
const keys = [
  [0x0008, 0x0005, 'CS'],
  [0x0008, 0x0018, 'UI'],
  [0x0008, 0x0020, 'DA'],
  [0x0008, 0x0030, 'TM'],
  [0x0008, 0x0061, 'CS'],
  [0x0008, 0x1110, 'SQ'],
  [0x0008, 0x1195, 'UI'],
  [0x0008, 0x1199, 'SQ'],
  [0x0010, 0x0010, 'PN'],
  [0x0010, 0x0020, 'LO'],
  [0x0020, 0x000d, 'UI'],
  [0x0020, 0x000e, 'UI'],
  [0x0020, 0x1206, 'IS'],
  [0x0040, 0x0100, 'SQ'],
  [0x0040, 0x0244, 'DA'],
  [0x0040, 0x0252, 'CS'],
  [0x0040, 0x0270, 'SQ'],
  [0x0040, 0x0340, 'SQ'],
] as const;

const values = fc.oneof(
  fc.constantFrom('', '*', '?', '-', '=', '^^^^', '\\', '\\\\', '"', '\0', '%', '_', "'", '\x1b$B', '\x1b$)C'),
  fc.constantFrom('1.2.3', '1.2.3\\1.2.4', '1..2', '2.25.', '1.2.3\\*', '1'.repeat(65)),
  fc.constantFrom('20240101', '20240101-', '-20240101', '20241301', '20240230-20240101', '235960.999999', '2460'),
  fc.constantFrom('IN PROGRESS', 'COMPLETED', 'ISO_IR 192', 'ISO 2022 IR 87', '\\ISO 2022 IR 149', 'GB18030', 'NONE'),
  fc.string({ maxLength: 40 }),
  fc.string({ maxLength: 40, unit: 'binary' }),
  fc.nat(5_000).map((length) => '*a'.repeat(length)),
);

interface Attribute {
  readonly key: (typeof keys)[number];
  readonly value: string;
  readonly items: readonly Attribute[][];
}

const attributes = fc.letrec<{ attribute: Attribute; list: Attribute[] }>((tie) => ({
  attribute: fc.record({
    key: fc.constantFrom(...keys),
    value: values,
    items: fc.oneof(
      { depthSize: 'small', depthIdentifier: 'items' },
      fc.constant([]),
      fc.array(tie('list'), { maxLength: 2 }),
    ),
  }),
  list: fc.array(tie('attribute'), { maxLength: 6 }),
})).list;

/** Some order of attributes, each as often as it comes: neither is allowed. */
const encoded = (list: readonly Attribute[]): Buffer =>
  Buffer.concat(
    list.map(({ key: [group, number, vr], value, items }) =>
      element(group, number, vr, vr === 'SQ' ? Buffer.concat(items.map(item)) : Buffer.from(value).subarray(0, 0xfffe)),
    ),
  );

function item(list: readonly Attribute[]): Buffer {
  const content = encoded(list);
  const head = Buffer.from([0xfe, 0xff, 0x00, 0xe0, 0, 0, 0, 0]);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, content]);
}

export const mutation = fc.record({
  at: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
  byte: fc.oneof(fc.constantFrom(0, 0xff, 0x7f, 0x80, 1, 2, 3), fc.nat(255)),
});

/** Writes each byte over the one at its share of the bytes from `from` on. */
export function mutate(bytes: Buffer, mutations: readonly { at: number; byte: number }[], from = 0): Buffer {
  const copy = Buffer.from(bytes);
  if (copy.length <= from) return copy;
  for (const { at, byte } of mutations) copy.writeUInt8(byte, from + Math.floor(at * (copy.length - from)));
  return copy;
}

/** What the objects of ../../../standards/dimse/test-support/objects.ts are found by, the highest level first. */
const bounds = [
  [0x0010, 0x0020, 'LO', 'NOBODY-1'],
  [0x0020, 0x000d, 'UI', '1.2.9'],
  [0x0020, 0x000e, 'UI', '1.2.9.1'],
] as const;

/** An identifier or attribute list: as a rule one that can be read, now and then not. */
export const identifier: fc.Arbitrary<Buffer> = fc
  .record({
    level: fc.oneof(
      { weight: 5, arbitrary: fc.constantFrom('STUDY', 'SERIES', 'IMAGE', 'PATIENT') },
      fc.option(fc.constantFrom('FRAME', '*', '')),
    ),
    /** Unique keys that name what there is; then the others decide. */
    bound: fc.nat(bounds.length),
    list: attributes,
    sorted: fc.boolean(),
    mutations: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(mutation, { maxLength: 4 })),
  })
  .map(({ level, bound, list, sorted, mutations }) => {
    const given = bounds.slice(0, bound);
    const others = list.filter(({ key }) => !given.some(([group, number]) => group === key[0] && number === key[1]));
    const order = sorted ? others.toSorted((a, b) => a.key[0] - b.key[0] || a.key[1] - b.key[1]) : others;
    const head = level === null ? [] : [element(0x0008, 0x0052, 'CS', level)];
    const keys = given.map(([group, number, vr, value]) => element(group, number, vr, value));
    return mutate(Buffer.concat([...head, encoded(order), ...keys]), mutations);
  });
