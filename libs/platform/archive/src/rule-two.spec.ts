import { Readable } from 'node:stream';
import { deflateRawSync } from 'node:zlib';

import { DeflatedExplicitVRLittleEndian, implementationClassUid, writeFileMeta } from '@callosum/dicom';
import type { ObjectStore } from '@callosum/object-store';
import { describe, expect, it } from 'vitest';

import { ctImageStorage, dataset, explicitVrLittleEndian } from '../../../standards/dimse/test-support/objects.js';
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

/** So many empty elements of one odd group, in ascending order. */
function emptyElements(group: number, count: number, vr = ''): Buffer {
  const empty = Buffer.alloc(8 * count);
  for (let i = 0; i < count; i++) {
    empty.writeUInt16LE(group, i * 8);
    empty.writeUInt16LE(0x1000 + i, i * 8 + 2);
    empty.write(vr, i * 8 + 4, 'latin1');
  }
  return empty;
}

/** A budget that remembers what was asked of it. */
class AskedBudget extends ByteBudget {
  readonly asked: number[] = [];

  override take(byteCount: number, signal?: AbortSignal): Promise<() => void> {
    this.asked.push(byteCount);
    return super.take(byteCount, signal);
  }
}

describe('memory of a comparison', () => {
  /** Kept objects that are digested at once. */
  function digests(
    datasets: readonly Uint8Array[],
    budget: ByteBudget,
    { elementsMax = 1_000_000, transferSyntaxUid = '1.2.840.10008.1.2', whileRead = () => Promise.resolve() } = {},
  ) {
    const meta = writeFileMeta({
      sopClassUid: ctImageStorage,
      sopInstanceUid: '1.2.3.4.5',
      transferSyntaxUid,
      implementationClassUid,
    });
    const files = new Map(datasets.map((one, i) => [String(i), Buffer.concat([meta, one])]));
    const get = async (key: string): Promise<Readable> => {
      await whileRead();
      return Readable.from([files.get(key)], { objectMode: false });
    };
    const remembered: number[] = [];
    const ledger = { rememberDigests: (id: number) => Promise.resolve(remembered.push(id)) } as unknown as Ledger;
    const rule = new RuleTwo({ get } as unknown as ObjectStore, ledger, budget, elementsMax);
    const entries = [...files].map(([key, file], id) => ({
      id,
      blob_key: key,
      byte_count: file.length,
      transfer_syntax_uid: transferSyntaxUid,
      attributes_digest: null,
      pixel_digest: null,
      erased_at: null,
    }));
    return Promise.all(entries.map((entry) => rule.digestsOf(entry as unknown as LedgerEntry))).then((found) => ({
      found,
      remembered,
    }));
  }

  it('holds no object of more elements than may be compared', async () => {
    const { found, remembered } = await digests([emptyElements(0x0011, 1_100)], new ByteBudget(mebibyte), {
      elementsMax: 1_000,
    });
    expect(found[0]?.pixelDigest).toBe('blob:0');
    // A limit of ours is nothing that the ledger should hold for ever.
    expect(remembered).toEqual([]);
  });

  it('lets images of few elements be compared beside each other, however long their pixels are', async () => {
    const image = dataset({ pixelBytes: 8 * mebibyte });
    let [reading, most] = [0, 0];
    const { found } = await digests([image, image, image], new ByteBudget(40 * mebibyte), {
      transferSyntaxUid: explicitVrLittleEndian,
      whileRead: async () => {
        most = Math.max(most, ++reading);
        await new Promise((resolve) => setTimeout(resolve, 20));
        reading--;
      },
    });
    expect(new Set(found.map(({ pixelDigest }) => pixelDigest)).size).toBe(1);
    expect(found[0]?.pixelDigest).toMatch(/^(samples|bytes):/);
    expect(most).toBe(2);
  });

  it('takes more room for one of very many elements before it is held', async () => {
    const budget = new AskedBudget(512 * mebibyte);
    const { found, remembered } = await digests([emptyElements(0x0011, 30_000)], budget);
    expect([found[0]?.pixelDigest, remembered]).toEqual(['none', [0]]);
    expect(budget.asked).toEqual([expect.any(Number), expect.any(Number)]);
    expect(budget.asked[1]).toBeGreaterThan(30_000 * 370);
    expect(budget.asked[1]).toBeGreaterThan(budget.asked[0] ?? Infinity);
  });

  it('overlooks none of very many elements that stand behind the pixels', async () => {
    const [one, other] = [emptyElements(0x7fe1, 25_000, 'LO'), emptyElements(0x7fe1, 25_000, 'SH')];
    // The first 24,999 are the same.
    one.copy(other, 0, 0, 24_999 * 8);
    other.writeUInt16LE(0x1000 + 25_000, 24_999 * 8 + 2);
    const { found } = await digests(
      [one, other, one].map((behind) => Buffer.concat([dataset(), behind])),
      new ByteBudget(512 * mebibyte),
      { transferSyntaxUid: explicitVrLittleEndian },
    );
    const [first, second, third] = found.map(({ attributesDigest }) => attributesDigest);
    expect(first).toBe(third);
    expect(first).not.toBe(second);
  });
});
