import { LabelMapMismatchError, TooManyLabelMapsError } from '../domain/errors.js';
import { LabelValues } from '../domain/label-values.js';
import type { Attempts, HeldJob, LabelMaps } from './ports.js';

export interface LabelMapUpload extends HeldJob {
  readonly columns: number;
  readonly rows: number;
  readonly slices: number;
}

/** One a result, and one more for each attempt and each upload that was cut off after its end. */
const labelMapsMax = 16;

export interface WriteLabelMapDependencies {
  readonly attempts: Attempts;
  readonly labelMaps: LabelMaps;
}

/**
 * Stores a label map as it arrives, noting which labels it has; nothing is kept unless it fits its grid exactly.
 * @returns lower-case hex SHA-256 of the bytes
 * @throws {StaleFencingTokenError} @throws {LabelMapMismatchError} @throws {TooManyLabelMapsError}
 */
export async function writeLabelMap(
  { attempts, labelMaps }: WriteLabelMapDependencies,
  upload: LabelMapUpload,
  data: AsyncIterable<Uint8Array>,
): Promise<string> {
  const { id, grid } = await attempts.held(upload);
  const { columns, rows, slices } = upload;
  if (columns !== grid.columns || rows !== grid.rows || slices !== grid.slices)
    throw new LabelMapMismatchError(`not the grid of the input, ${grid.columns} × ${grid.rows} × ${grid.slices}`);
  if ((await labelMaps.labelsOf(id)).size >= labelMapsMax) throw new TooManyLabelMapsError(id);
  const values = new LabelValues();
  const source = exactly(data, columns * rows * slices, (chunk) => values.add(chunk));
  return labelMaps.store(id, source, () => values.labels);
}

async function* exactly(
  data: AsyncIterable<Uint8Array>,
  byteCount: number,
  note: (chunk: Uint8Array) => void,
): AsyncGenerator<Uint8Array> {
  let received = 0;
  for await (const chunk of data) {
    received += chunk.length;
    if (received > byteCount) break;
    note(chunk);
    yield chunk;
  }
  if (received !== byteCount)
    throw new LabelMapMismatchError(`${received > byteCount ? 'more' : 'fewer'} bytes than its ${byteCount} voxels`);
}
