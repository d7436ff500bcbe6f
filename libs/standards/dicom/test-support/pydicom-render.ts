import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { MissingPrerequisite, orSkip } from '@callosum/testing';
import type { DecodedFrame, Picture } from '../src/index.js';

const run = promisify(execFile);

/** Python with pydicom and Pillow: CALLOSUM_TEST_PYTHON, else python3. */
export const python = await orSkip(async () => {
  for (const candidate of [process.env['CALLOSUM_TEST_PYTHON'], 'python3']) {
    if (candidate === undefined) continue;
    const has = await run(candidate, ['-c', 'import pydicom, PIL']).then(
      () => true,
      () => false,
    );
    if (has) return candidate;
  }
  throw new MissingPrerequisite(
    'pydicom is not installed',
    'pip install highdicom==0.28.2, and CALLOSUM_TEST_PYTHON=<python>',
  );
});

export interface Asked {
  readonly path: string;
  /** From 1. */
  readonly frame: number;
  readonly samples: string;
  readonly type: string;
  readonly photometric: string;
}

export interface Judged {
  readonly kind?: Picture['kind'];
  readonly samples?: string;
  readonly error?: string;
}

const types: readonly (readonly [samples: { readonly prototype: unknown }, type: string])[] = [
  [Int8Array, 'i1'],
  [Uint8Array, 'u1'],
  [Int16Array, '<i2'],
  [Uint16Array, '<u2'],
  [Int32Array, '<i4'],
  [Uint32Array, '<u4'],
  [Float32Array, '<f4'],
  [Float64Array, '<f8'],
];

/** A frame to be judged: its samples go with it, so that nothing but rendering is compared. */
export function askedOf(path: string, frame: number, decoded: DecodedFrame): Asked {
  const { samples, photometricInterpretation } = decoded;
  const type = types.find(([{ prototype }]) => Object.getPrototypeOf(samples) === prototype)?.[1];
  if (type === undefined) throw new RangeError('samples of no known type');
  const bytes = Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
  return { path, frame, samples: bytes.toString('base64'), type, photometric: photometricInterpretation };
}

/** What pydicom makes of each; or Pillow of an image file, in base64. */
export async function judge(asked: readonly (Asked | { readonly image: string })[]): Promise<Judged[]> {
  const child = spawn(python.server ?? '', [join(import.meta.dirname, 'pydicom_render.py')]);
  child.stdin.end(JSON.stringify(asked));
  const [out, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  if (out === '') throw new Error(errors);
  return JSON.parse(out) as Judged[];
}

/** The greatest and the mean difference between two levels; Infinity where pictures are of other kinds or sizes. */
export function differences(picture: Picture, judged: Judged): { readonly greatest: number; readonly mean: number } {
  const expected = Buffer.from(judged.samples ?? '', 'base64');
  if (picture.kind !== judged.kind || picture.samples.length !== expected.length)
    return { greatest: Infinity, mean: Infinity };
  let [greatest, sum] = [0, 0];
  picture.samples.forEach((level, i) => {
    const difference = Math.abs(level - (expected[i] ?? 0));
    greatest = Math.max(greatest, difference);
    sum += difference;
  });
  return { greatest, mean: sum / expected.length };
}
