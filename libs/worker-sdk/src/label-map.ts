import { createHash } from 'node:crypto';

import type { worker } from '@callosum/contracts';

import { InvalidLabelMapError } from './errors.js';

export interface Dimensions {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
}

/** The protocol's bound on a chunk. */
const chunkBytesMax = 1024 * 1024;

/**
 * Checks labels against their dimensions, and against the volume's when it was read.
 * @returns the largest label and the lower-case hex SHA-256 of the labels.
 * @throws InvalidLabelMapError when they do not fit.
 */
export function checkLabels(
  labels: Uint8Array,
  dimensions: Dimensions,
  volume: Dimensions | undefined,
): { readonly labelMax: number; readonly sha256: string } {
  const { columns, rows, slices } = dimensions;
  const sizes = [columns, rows, slices];
  if (!sizes.every((size) => Number.isInteger(size) && size > 0) || labels.length !== columns * rows * slices) {
    throw new InvalidLabelMapError('one byte a voxel: columns × rows × slices bytes');
  }
  if (volume && (volume.columns !== columns || volume.rows !== rows || volume.slices !== slices)) {
    throw new InvalidLabelMapError('the label map is not on the grid of the volume');
  }
  let labelMax = 0;
  for (const label of labels) if (label > labelMax) labelMax = label;
  return { labelMax, sha256: createHash('sha256').update(labels).digest('hex') };
}

/** A label map as the protocol carries it: header, then chunks, each taken when the transport asks for it. */
export async function* labelMapParts(
  job: { readonly jobId: string; readonly fencingToken: bigint },
  labels: Uint8Array,
  dimensions: Dimensions,
): AsyncGenerator<worker.WriteLabelMapRequest> {
  const { columns, rows, slices } = dimensions;
  const { jobId, fencingToken } = job;
  yield { part: { $case: 'header', value: { jobId, fencingToken, columns, rows, slices } } };
  for (let at = 0; at < labels.length; at += chunkBytesMax) {
    yield { part: { $case: 'data', value: labels.subarray(at, at + chunkBytesMax) } };
    // Heartbeats and other jobs get their turn between chunks.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
