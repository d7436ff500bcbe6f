import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';

import { MissingPrerequisite, orSkip } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import { deflatePiece, type GzipPart, gzipMember } from './index.js';

interface Ended {
  readonly code: number | null;
  readonly out: Buffer;
  readonly errors: string;
}

/** @throws {MissingPrerequisite} when there is no such program */
async function run(program: string, args: readonly string[], input: Uint8Array | string): Promise<Ended> {
  const child = spawn(program, args);
  const code = new Promise<number | null>((resolve, reject) => {
    child.once('error', () => {
      reject(new MissingPrerequisite(`${program} is not installed`, `install ${program}`));
    });
    child.once('close', resolve);
  });
  // One that refuses its input may end before it has taken it.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [ended, out, errors] = await Promise.all([code, buffer(child.stdout), text(child.stderr)]);
  return { code: ended, out, errors };
}

/** Reproducible choices. */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A series' metadata as it is sent: an array whose datasets are pieces, with a base URL between two of some. */
function seriesOf(instances: number, random: (below: number) => number): GzipPart[] {
  const parts: GzipPart[] = ['['];
  for (let i = 0; i < instances; i++) {
    const uid = `2.25.${String(random(2 ** 31))}`;
    const before = `{"00080018":{"vr":"UI","Value":["${uid}"]},"00081030":{"vr":"LO","Value":["${'Ж中'.repeat(random(40))}"]}`;
    if (i > 0) parts.push(',');
    if (random(3) === 0) parts.push(deflatePiece(`${before}}`));
    else
      parts.push(
        deflatePiece(`${before},"7FE00010":{"vr":"OW","BulkDataURI":"`),
        'https://pacs.example/dicom-web',
        deflatePiece(`/studies/1/series/2/instances/${uid}/bulkdata/7FE00010"}}`),
      );
  }
  return [...parts, ']'];
}

async function made(parts: readonly GzipPart[]): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of gzipMember([parts])) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const random = randomOf(42);
const members = await Promise.all([
  made([]),
  made(['[]']),
  made([Buffer.alloc(200_000, 7)]),
  made(seriesOf(1, random)),
  made(seriesOf(400, random)),
  made(seriesOf(3000, random)),
]);

const python = await orSkip(async () => {
  await run('python3', ['-c', 'import zlib'], '');
  return 'python3';
});
const gunzip = await orSkip(async () => {
  await run('gunzip', ['--version'], '');
  return 'gunzip';
});

describe.skipIf(python.missing !== undefined)("Python's zlib", () => {
  it('finds one member, with nothing behind it, and what gunzip finds', async () => {
    const script = join(import.meta.dirname, '../test-support/read_gzip.py');
    const asked = JSON.stringify(members.map((member) => member.toString('base64')));
    const { code, out, errors } = await run(python.server ?? '', [script], asked);
    expect(code, errors).toBe(0);
    const read = JSON.parse(out.toString()) as readonly Readonly<Record<string, unknown>>[];
    expect(read).toHaveLength(members.length);
    for (const [i, member] of members.entries()) {
      expect(read[i]).toEqual({
        ended: true,
        behind: 0,
        byteCount: member.readUInt32LE(member.length - 4),
        crc32: member.readUInt32LE(member.length - 8),
      });
    }
  });
});

describe.skipIf(gunzip.missing !== undefined)('gunzip', () => {
  it('finds nothing to say against a member, and in it the whole series', async () => {
    for (const member of members) {
      const tested = await run('gunzip', ['-t'], member);
      expect([tested.code, tested.errors]).toEqual([0, '']);
    }
    const { out } = await run('gunzip', ['-c'], members[5] ?? Buffer.alloc(0));
    const datasets = JSON.parse(out.toString()) as readonly Readonly<Record<string, unknown>>[];
    expect(datasets).toHaveLength(3000);
    expect(new Set(datasets.map((dataset) => JSON.stringify(dataset['00080018']))).size).toBeGreaterThan(2990);
    expect(crc32(out)).toBe(members[5]?.readUInt32LE((members[5]?.length ?? 0) - 8));
  });

  it('finds what is wrong with one whose piece has another CRC-32', async () => {
    const piece = deflatePiece('{"00080018":{}}');
    const { code } = await run('gunzip', ['-t'], await made(['[', { ...piece, crc32: piece.crc32 ^ 1 }, ']']));
    expect(code).not.toBe(0);
  });
});
