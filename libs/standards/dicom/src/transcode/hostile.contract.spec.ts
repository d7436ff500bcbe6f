import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CallosumError } from '@callosum/kernel';
import { testDataPath } from '@callosum/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DeflatedExplicitVRLittleEndian,
  ExplicitVRBigEndian,
  ExplicitVRLittleEndian,
  ImplicitVRLittleEndian,
  parseFile,
  RLELossless,
  type ParsedFile,
} from '../index.js';
import { fileOf, imageElements, linesOf, noise, transcoded } from '../../test-support/objects.js';

const targets = [
  ImplicitVRLittleEndian,
  ExplicitVRLittleEndian,
  ExplicitVRBigEndian,
  DeflatedExplicitVRLittleEndian,
  RLELossless,
];

/** The file, or undefined when it was refused as an error of ours; anything else thrown is a defect. */
async function attempt<T>(work: () => T | Promise<T>): Promise<Awaited<T> | undefined> {
  try {
    return await work();
  } catch (error) {
    expect(error).toBeInstanceOf(CallosumError);
    return undefined;
  }
}

const malformed = testDataPath('malformed');
const files =
  malformed === undefined
    ? []
    : readdirSync(malformed, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.dcm'));
const without = ['00280004', '00280006', '00282110', '00282114', '7FE00001', '7FE00002', '7FE00003', 'FFFCFFFC'];

describe.skipIf(files.length === 0)('malformed objects', () => {
  it('are given with the attributes the parser reads in them, or refused', async () => {
    const given: string[] = [];
    for (const name of files) {
      const bytes = new Uint8Array(readFileSync(join(malformed ?? '', name)));
      const read = await attempt(() => parseFile(bytes));
      for (const to of targets) {
        const out = await attempt(() => transcoded(bytes, to));
        if (!out || out.length === 0) continue;
        given.push(`${name} ${to}`);
        if (!read) continue;
        const lines = (file: ParsedFile): string[] =>
          linesOf(file.dataset, { vr: false, without: [...without, '7FE00010'] }).filter(
            (line) => !/^....0000 /.test(line),
          );
        expect(lines(parseFile(out)).map(unpadded), `${name} to ${to}`).toEqual(lines(read).map(unpadded));
      }
    }
    expect(given.length).toBeGreaterThan(files.length);
  });
});

/** Values of an odd length are padded. */
const unpadded = (line: string): string => line.replace(/(20|00)$/, '');

const image = { ...imageElements({ frames: 3 }), '00880200': { vr: 'SQ', Value: [imageElements({ bits: 8 })] } };
const native = fileOf({
  ...image,
  '7FE00010': { vr: 'OW', bytes: noise(144) },
  '00091001': { vr: 'UN', bytes: noise(8) },
});
const seeds = await Promise.all(
  [ImplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless, DeflatedExplicitVRLittleEndian].map((to) =>
    transcoded(native, to),
  ),
);
const runs = Number(process.env['CALLOSUM_FUZZ_RUNS'] ?? 600);
const mutation = fc.record({
  // Without bias, which would put most of them into the first bytes.
  at: fc.noBias(fc.integer({ min: 0, max: 999_999 })).map((millionths) => millionths / 1_000_000),
  byte: fc.oneof(fc.constantFrom(0, 0xff, 0x7f, 0x80, 0xfe), fc.nat(255)),
});

describe('mutated objects', () => {
  it('are given or refused as errors of ours, never anything else, never for long', async () => {
    let [given, refused] = [0, 0];
    await fc.assert(
      fc.asyncProperty(
        fc.nat(seeds.length),
        fc.array(mutation, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(...targets),
        fc.integer({ min: 16, max: 2000 }),
        async (which, mutations, to, chunkBytes) => {
          const bytes = Uint8Array.from(seeds[which] ?? native);
          for (const { at, byte } of mutations) bytes[132 + Math.floor(at * (bytes.length - 132))] = byte;
          const started = Date.now();
          const limits = { frameBytesMax: 16 * 1024 * 1024 };
          if (await attempt(() => transcoded(bytes, to, { chunkBytes, limits }))) given++;
          else refused++;
          expect(Date.now() - started).toBeLessThan(10_000);
        },
      ),
      { seed: 20261126, numRuns: runs },
    );
    // Most of an object is values, and most mutations change no more than one of those.
    expect(Math.min(given, refused)).toBeGreaterThan(runs / 10);
  });
});
