import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ProtocolError } from '../errors.js';
import { type AssociateAc, type AssociateRq, UserIdentityType, type UserInformation } from './associate.js';
import { decodeAssociateAc, decodeAssociateRq, encodeAssociateAc, encodeAssociateRq } from './associate-codec.js';
import { textOf } from './item-reader.js';
import { pduHeaderBytes, PduType } from './pdu.js';

const uid = fc.array(fc.nat(99_999), { minLength: 1, maxLength: 8 }).map((parts) => `1.2.${parts.join('.')}`);
const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const aet = fc.stringMatching(/^[A-Z0-9_]{1,16}$/);
const window = fc.record({ invoked: fc.nat(0xffff), performed: fc.nat(0xffff) });
const common = {
  pduBytesMax: fc.nat(0xffff_ffff),
  implementationClassUid: uid,
  implementationVersionName: fc.stringMatching(/^[A-Z0-9_]{1,16}$/),
  roles: fc.array(fc.record({ sopClassUid: uid, scu: fc.boolean(), scp: fc.boolean() }), { maxLength: 4 }),
  extendedNegotiation: fc.array(fc.record({ sopClassUid: uid, information: bytes }), { maxLength: 3 }),
};
const requested: fc.Arbitrary<UserInformation> = fc.record(
  {
    ...common,
    operationsWindow: window,
    commonExtendedNegotiation: fc.array(
      fc.record({
        sopClassUid: uid,
        serviceClassUid: uid,
        relatedGeneralSopClassUids: fc.array(uid, { maxLength: 3 }),
      }),
      { maxLength: 3 },
    ),
    userIdentity: fc.record({
      type: fc.constantFrom(...Object.values(UserIdentityType)),
      positiveResponseRequested: fc.boolean(),
      primary: bytes,
      secondary: bytes,
    }),
  },
  { requiredKeys: [...(Object.keys(common) as (keyof typeof common)[]), 'commonExtendedNegotiation'] },
);
const answered: fc.Arbitrary<UserInformation> = fc.record(
  {
    ...common,
    operationsWindow: window,
    commonExtendedNegotiation: fc.constant([]),
    userIdentityResponse: bytes,
  },
  { requiredKeys: [...(Object.keys(common) as (keyof typeof common)[]), 'commonExtendedNegotiation'] },
);
const fixed = { protocolVersion: fc.constant(1), calledAet: aet, callingAet: aet, applicationContextUid: uid };
const ids = fc.uniqueArray(
  fc.nat(127).map((index) => 2 * index + 1),
  { minLength: 1, maxLength: 128 },
);
const rq: fc.Arbitrary<AssociateRq> = ids.chain((list) =>
  fc.record({
    ...fixed,
    contexts: fc.tuple(
      ...list.map((id) =>
        fc.record({
          id: fc.constant(id),
          abstractSyntaxUid: uid,
          transferSyntaxUids: fc.array(uid, { maxLength: 3 }),
        }),
      ),
    ),
    user: requested,
  }),
);
const ac: fc.Arbitrary<AssociateAc> = ids.chain((list) =>
  fc.record({
    ...fixed,
    contexts: fc.tuple(
      ...list.map((id) => fc.record({ id: fc.constant(id), result: fc.nat(4), transferSyntaxUid: uid })),
    ),
    user: answered,
  }),
);
const bodyOf = (pdu: Buffer): Buffer => pdu.subarray(pduHeaderBytes);
const seeded = { seed: 20261126, numRuns: 40 };

describe('an association request and its answer', () => {
  it('say the same after a round trip, whatever they negotiate', () => {
    fc.assert(
      fc.property(rq, (request) => {
        const encoded = encodeAssociateRq(request);
        expect([encoded.readUInt8(0), encoded.readUInt32BE(2)]).toEqual([PduType.AssociateRq, encoded.length - 6]);
        expect(decodeAssociateRq(bodyOf(encoded))).toEqual(request);
      }),
      seeded,
    );
    fc.assert(
      fc.property(ac, (accept) => {
        expect(decodeAssociateAc(bodyOf(encodeAssociateAc(accept)))).toEqual(accept);
      }),
      seeded,
    );
  });

  it('cut anywhere, or with any byte changed, are read or refused, never anything else', () => {
    const at = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    fc.assert(
      fc.property(rq, at, fc.nat(255), fc.boolean(), (request, where, byte, cut) => {
        const body = bodyOf(encodeAssociateRq(request));
        const index = Math.floor(where * body.length);
        body.writeUInt8(byte, index);
        try {
          decodeAssociateRq(cut ? body.subarray(0, index) : body);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { ...seeded, numRuns: 200 },
    );
  });

  const small: AssociateRq = {
    protocolVersion: 1,
    calledAet: 'A',
    callingAet: 'B',
    applicationContextUid: '1.2',
    contexts: [{ id: 1, abstractSyntaxUid: '1.2', transferSyntaxUids: ['1.3'] }],
    user: {
      pduBytesMax: 0,
      implementationClassUid: '1.4',
      implementationVersionName: 'V',
      roles: [],
      extendedNegotiation: [],
      commonExtendedNegotiation: [],
    },
  };
  const bodyWith = (changes: Partial<AssociateRq>): Buffer => bodyOf(encodeAssociateRq({ ...small, ...changes }));
  const context = { id: 1, abstractSyntaxUid: '1.2', transferSyntaxUids: ['1.3'] };

  it.each([
    ['an even context id', bodyWith({ contexts: [{ ...context, id: 2 }] })],
    ['a context id twice', bodyWith({ contexts: [context, context] })],
    [
      'more than 128 contexts',
      bodyWith({ contexts: Array.from({ length: 129 }, (_, index) => ({ ...context, id: (2 * index + 1) & 0xff })) }),
    ],
    ['nothing but its fixed part cut short', bodyWith({}).subarray(0, 67)],
    ['user information twice', Buffer.concat([bodyWith({}), Buffer.from([0x50, 0, 0, 0])])],
    [
      'a maximum length of two bytes',
      Buffer.concat([bodyWith({}).subarray(0, 68), Buffer.from([0x50, 0, 0, 6, 0x51, 0, 0, 2, 1, 1])]),
    ],
    ['a context without an abstract syntax', Buffer.concat([bodyWith({}), Buffer.from([0x20, 0, 0, 4, 9, 0, 0, 0])])],
  ])('with %s cannot be read', (_name, body) => {
    expect(() => decodeAssociateRq(body)).toThrow(ProtocolError);
  });

  it('with user information over its limit cannot be read', () => {
    expect(() => decodeAssociateRq(bodyWith({}), 19)).toThrow(/user information is too long/);
  });

  it('have titles and UIDs without padding, which are read in one look', { timeout: 20_000 }, () => {
    expect(textOf(Buffer.from('  CT 1 \0 ', 'latin1'))).toBe('CT 1');
    const long = `x${' '.repeat(1_000_000)}x`;
    expect(textOf(Buffer.from(long, 'latin1'))).toBe(long);
  });

  it('pass over items and sub-items not known', () => {
    const extra = Buffer.concat([bodyWith({}), Buffer.from([0x77, 0, 0, 2, 1, 2])]);
    expect(decodeAssociateRq(extra)).toEqual(small);
  });

  it('cannot be written with a title over 16 characters or an identity over 65,535 bytes', () => {
    expect(() => encodeAssociateRq({ ...small, calledAet: 'A'.repeat(17) })).toThrow(RangeError);
    const userIdentity = {
      type: 4,
      positiveResponseRequested: false,
      primary: Buffer.alloc(70_000),
      secondary: Buffer.alloc(0),
    };
    expect(() => encodeAssociateRq({ ...small, user: { ...small.user, userIdentity } })).toThrow(RangeError);
  });
});
