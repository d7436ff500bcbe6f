import { Readable } from 'node:stream';
import { deflateRawSync } from 'node:zlib';

import { DeflatedExplicitVRLittleEndian, implementationClassUid, writeFileMeta } from '@callosum/dicom';
import type { ObjectStore } from '@callosum/object-store';
import { expect, it } from 'vitest';

import { ctImageStorage, dataset } from '../../../standards/dimse/test-support/objects.js';
import { ByteBudget } from './byte-budget.js';
import type { Ledger } from './ledger.js';
import type { LedgerEntry } from './pending-row.js';
import { RuleTwo } from './rule-two.js';

const mebibyte = 1024 * 1024;

/** The digests of a kept deflated object with so many bytes of pixels, and how often others had their turn meanwhile. */
async function digestsOf(pixelBytes: number): Promise<{ pixelDigest: string; turns: number }> {
  const meta = writeFileMeta({
    sopClassUid: ctImageStorage,
    sopInstanceUid: '1.2.3.4.5',
    transferSyntaxUid: DeflatedExplicitVRLittleEndian,
    implementationClassUid,
  });
  // As little deflated as it must be to be read at all: a ratio below 500.
  const whole = dataset({ pixelBytes });
  for (let at = 4_000; at < whole.length; at += 400) whole.writeUInt8((at >> 3) & 0xff, at);
  const file = Buffer.concat([meta, deflateRawSync(whole, { level: 1 })]);
  const store = { get: () => Promise.resolve(Readable.from([file], { objectMode: false })) } as unknown as ObjectStore;
  const ledger = { rememberDigests: () => Promise.resolve() } as unknown as Ledger;
  const entry = {
    blob_key: 'k',
    byte_count: file.length,
    transfer_syntax_uid: DeflatedExplicitVRLittleEndian,
    attributes_digest: null,
    pixel_digest: null,
    erased_at: null,
  } as unknown as LedgerEntry;
  let turns = 0;
  const others = setInterval(() => turns++, 1);
  const { pixelDigest } = await new RuleTwo(store, ledger, new ByteBudget(512 * mebibyte)).digestsOf(entry);
  clearInterval(others);
  return { pixelDigest, turns };
}

it('compares a deflated object by its pixels', async () => {
  expect((await digestsOf(1_000)).pixelDigest).toMatch(/^(samples|bytes):/);
});

it('does not hold a deflated object that inflates to more than may be compared, nor anybody up', async () => {
  const { pixelDigest, turns } = await digestsOf(160 * mebibyte);
  expect(pixelDigest).toBe('blob:k');
  expect(turns).toBeGreaterThan(5);
});

it('does not hold an object of more elements than may be compared', async () => {
  const meta = writeFileMeta({
    sopClassUid: ctImageStorage,
    sopInstanceUid: '1.2.3.4.5',
    transferSyntaxUid: '1.2.840.10008.1.2',
    implementationClassUid,
  });
  const empty = Buffer.alloc(8 * 1_100);
  // Private elements of odd groups in ascending order, without values.
  for (let at = 0; at < 1_100; at++) {
    empty.writeUInt16LE(0x0011 + 2 * Math.floor(at / 50_000), at * 8);
    empty.writeUInt16LE(0x1000 + (at % 50_000), at * 8 + 2);
  }
  const file = Buffer.concat([meta, empty]);
  const store = { get: () => Promise.resolve(Readable.from([file], { objectMode: false })) } as unknown as ObjectStore;
  let remembered = 0;
  const ledger = { rememberDigests: () => Promise.resolve(remembered++) } as unknown as Ledger;
  const entry = {
    blob_key: 'k',
    byte_count: file.length,
    transfer_syntax_uid: '1.2.840.10008.1.2',
    attributes_digest: null,
    pixel_digest: null,
    erased_at: null,
  } as unknown as LedgerEntry;
  const { pixelDigest } = await new RuleTwo(store, ledger, new ByteBudget(mebibyte), 1_000).digestsOf(entry);
  expect(pixelDigest).toBe('blob:k');
  // A limit of ours is nothing that the ledger should hold for ever.
  expect(remembered).toBe(0);
});
