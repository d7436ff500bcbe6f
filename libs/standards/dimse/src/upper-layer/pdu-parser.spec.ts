import fc from 'fast-check';
import { expect, it } from 'vitest';

import { ProtocolError } from '../errors.js';
import { Control, pDataHeader, pdu, PduType, releaseRqPdu } from './pdu.js';
import { PduParser, type PduSink } from './pdu-parser.js';

const limits = { pduBytesMax: 1024, associateBytesMax: 2048 };

/** What a parser tells, with the slices of a value put together again. */
function parsed(chunks: readonly Buffer[]): unknown[] {
  const told: unknown[] = [];
  let value: Buffer[] = [];
  const sink: PduSink = {
    pdu: (type, body) => told.push([type, body.toString('hex')]),
    value: (contextId, control, bytes, end) => {
      value.push(Buffer.from(bytes));
      if (!end) return;
      told.push([contextId, control, Buffer.concat(value).toString('hex')]);
      value = [];
    },
  };
  const parser = new PduParser(sink, limits);
  for (const chunk of chunks) {
    parser.push(chunk);
    while (parser.step());
  }
  expect(parser.atBoundary).toBe(true);
  return told;
}

const twoValues = pdu(
  PduType.PData,
  Buffer.concat([
    pDataHeader(1, Control.Command | Control.Last, 4).subarray(6),
    Buffer.from('abcd'),
    pDataHeader(3, 0, 0).subarray(6),
  ]),
);
const stream = Buffer.concat([
  pdu(PduType.AssociateRq, Buffer.alloc(100, 5)),
  twoValues,
  pDataHeader(5, Control.Last, 300),
  Buffer.alloc(300, 7),
  releaseRqPdu(),
]);

it('tells the same however the bytes are cut', () => {
  const whole = parsed([stream]);
  expect(whole).toHaveLength(5);
  fc.assert(
    fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => {
      const at = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
      const chunks = at.slice(1).map((end, index) => stream.subarray(at[index], end));
      expect(parsed(chunks)).toEqual(whole);
    }),
    { seed: 20261126, numRuns: 100 },
  );
  expect(parsed([...stream].map((byte) => Buffer.of(byte)))).toEqual(whole);
});

it('does not copy the bytes of a value', () => {
  const told: Buffer[] = [];
  const parser = new PduParser({ pdu: () => undefined, value: (_id, _control, bytes) => told.push(bytes) }, limits);
  const chunk = Buffer.concat([pDataHeader(1, 0, 300), Buffer.alloc(300, 7)]);
  parser.push(chunk);
  while (parser.step());
  expect(told[0]?.buffer).toBe(chunk.buffer);
});

it.each([
  ['a type that does not exist', Buffer.from([8, 0, 0, 0, 0, 4])],
  ['a P-DATA-TF over its limit', Buffer.from([4, 0, 0, 0, 4, 1])],
  ['an association request over its limit', Buffer.from([1, 0, 0, 0, 8, 1])],
  ['a release of another length', Buffer.from([5, 0, 0, 0, 0, 5])],
  ['an abort without its four bytes', Buffer.from([7, 0, 0, 0, 0, 3])],
  ['a P-DATA-TF without a value', Buffer.from([4, 0, 0, 0, 0, 0])],
  ['a value longer than its PDU', Buffer.from([4, 0, 0, 0, 0, 8, 0, 0, 0, 5, 1, 0, 0, 0])],
  ['a value shorter than its header', Buffer.from([4, 0, 0, 0, 0, 8, 0, 0, 0, 1, 1, 0, 0, 0])],
  ['a rest too short for a value', Buffer.from([4, 0, 0, 0, 0, 9, 0, 0, 0, 2, 1, 0, 0, 0, 0])],
])('refuses %s', (_name, bytes) => {
  expect(() => parsed([bytes])).toThrow(ProtocolError);
});
