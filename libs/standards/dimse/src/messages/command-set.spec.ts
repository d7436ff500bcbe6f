import dimse from 'dcmjs-dimse';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ProtocolError } from '../errors.js';
import { CommandField, type CommandSet, decodeCommandSet, encodeCommandSet } from './command-set.js';

const uid = fc.array(fc.nat(99_999), { minLength: 1, maxLength: 8 }).map((parts) => `1.2.${parts.join('.')}`);
const us = fc.nat(0xffff);
const aet = fc.stringMatching(/^[A-Z0-9_]{1,16}$/);
const tags = fc.array(fc.nat(0xffff_ffff), { minLength: 1, maxLength: 4 });
const command: fc.Arbitrary<CommandSet> = fc.record(
  {
    commandField: us,
    hasDataset: fc.boolean(),
    affectedSopClassUid: uid,
    requestedSopClassUid: uid,
    messageId: us,
    messageIdBeingRespondedTo: us,
    moveDestination: aet,
    priority: us,
    status: us,
    offendingElements: tags,
    errorComment: fc.stringMatching(/^[a-z]{1,64}$/),
    errorId: us,
    affectedSopInstanceUid: uid,
    requestedSopInstanceUid: uid,
    eventTypeId: us,
    attributeIdentifiers: tags,
    actionTypeId: us,
    remaining: us,
    completed: us,
    failed: us,
    warning: us,
    moveOriginatorAet: aet,
    moveOriginatorMessageId: us,
  },
  { requiredKeys: ['commandField', 'hasDataset'] },
);

describe('a command set', () => {
  it('says the same after a round trip, with its group length', () => {
    fc.assert(
      fc.property(command, (sent) => {
        const bytes = encodeCommandSet(sent);
        expect(bytes.readUInt32LE(8)).toBe(bytes.length - 12);
        expect(decodeCommandSet(bytes)).toEqual(sent);
      }),
      { seed: 20261126, numRuns: 200 },
    );
  });

  it('cut anywhere, or with any byte changed, is read or refused, never anything else', () => {
    const at = fc.double({ min: 0, max: 0.999_999, noNaN: true });
    fc.assert(
      fc.property(command, at, fc.nat(255), fc.boolean(), (sent, where, byte, cut) => {
        const bytes = encodeCommandSet(sent);
        const index = Math.floor(where * bytes.length);
        bytes.writeUInt8(byte, index);
        try {
          decodeCommandSet(cut ? bytes.subarray(0, index) : bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { seed: 20261126, numRuns: 300 },
    );
  });

  it('has its comment in 64 characters of the default repertoire', () => {
    const bytes = encodeCommandSet({ commandField: 1, hasDataset: false, errorComment: `ä\\${'x'.repeat(100)}` });
    expect(decodeCommandSet(bytes).errorComment).toBe(`??${'x'.repeat(62)}`);
  });

  const element = (group: number, number: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(group, 0);
    head.writeUInt16LE(number, 2);
    head.writeUInt32LE(value.length, 4);
    return Buffer.concat([head, value]);
  };
  const field = element(0, 0x0100, Buffer.from([0x30, 0]));
  it.each([
    ['nothing in it', Buffer.alloc(0)],
    ['another group', Buffer.concat([field, element(8, 5, Buffer.from('A '))])],
    ['an element twice', Buffer.concat([field, field])],
    ['a number of four bytes', element(0, 0x0100, Buffer.alloc(4))],
    ['a tag of three bytes', Buffer.concat([field, element(0, 0x0901, Buffer.alloc(3))])],
    ['a length that does not fit', Buffer.concat([field, element(0, 0x1000, Buffer.alloc(4)).subarray(0, 10)])],
  ])('with %s is refused', (_name, bytes) => {
    expect(() => decodeCommandSet(bytes)).toThrow(ProtocolError);
  });

  it('passes over elements not known, and counts empty ones as absent', () => {
    const retired = element(0, 0x0200, Buffer.from('OLD '));
    const empty = element(0, 0x1020, Buffer.alloc(0));
    expect(decodeCommandSet(Buffer.concat([field, retired, empty]))).toEqual({
      commandField: CommandField.CEchoRq,
      hasDataset: false,
    });
  });
});

describe('dcmjs-dimse, another hand', () => {
  it('writes command sets that are read here', () => {
    const { CStoreRequest, CMoveRequest } = dimse.requests;
    const stored = new CStoreRequest(new dimse.Dataset({ SOPClassUID: '1.2.3', SOPInstanceUID: '1.2.3.4' }));
    stored.setMessageId(7);
    expect(decodeCommandSet(stored.getCommandDataset().getDenaturalizedCommandDataset())).toMatchObject({
      commandField: CommandField.CStoreRq,
      hasDataset: true,
      affectedSopClassUid: '1.2.3',
      affectedSopInstanceUid: '1.2.3.4',
      messageId: 7,
    });
    const move = CMoveRequest.createStudyMoveRequest('DEST', '1.2.3');
    expect(decodeCommandSet(move.getCommandDataset().getDenaturalizedCommandDataset())).toMatchObject({
      commandField: CommandField.CMoveRq,
      moveDestination: 'DEST',
    });
  });

  it('reads the command sets that are written here', () => {
    const bytes = encodeCommandSet({
      commandField: 0x8001,
      hasDataset: false,
      messageIdBeingRespondedTo: 7,
      affectedSopInstanceUid: '1.2.3.4',
      status: 0xa700,
      errorComment: 'no space',
    });
    const read = new dimse.Dataset(bytes, '1.2.840.10008.1.2');
    expect(read.getElements()).toMatchObject({
      CommandField: 0x8001,
      MessageIDBeingRespondedTo: 7,
      Status: 0xa700,
      ErrorComment: 'no space',
    });
  });
});
