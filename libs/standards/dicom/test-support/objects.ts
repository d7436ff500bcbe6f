import type { DicomDataset, DicomJson } from '../src/index.js';
import { transcode, writeFile, type TranscodeOptions, type TranscodeSource } from '../src/index.js';

export const implementation = { implementationClassUid: '1.2.3' };

/** Bytes in chunks of this size; counts those taken, and who lets go. */
export function sourceOf(bytes: Uint8Array, chunkBytes = 65_536): TranscodeSource & { taken: number; closed: number } {
  const source = {
    taken: 0,
    closed: 0,
    async *open() {
      try {
        for (let at = 0; at < bytes.length; at += chunkBytes) {
          const chunk = bytes.subarray(at, at + chunkBytes);
          source.taken += chunk.length;
          yield await Promise.resolve(chunk);
        }
      } finally {
        source.closed++;
      }
    },
  };
  return source;
}

export async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}

/** The file in another transfer syntax. */
export async function transcoded(
  file: Uint8Array,
  to: TranscodeOptions['to'],
  { chunkBytes, ...options }: Omit<TranscodeOptions, 'to'> & { chunkBytes?: number } = {},
): Promise<Uint8Array> {
  return collected((await transcode(sourceOf(file, chunkBytes), { ...options, to })).file(implementation));
}

const base: DicomJson = {
  '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.7'] },
  '00080018': { vr: 'UI', Value: ['1.2.3.4'] },
};

/** A file of these elements, Explicit VR Little Endian unless another syntax is named (with fragments). */
export const fileOf = (elements: DicomJson, transferSyntaxUid?: string): Uint8Array =>
  writeFile(
    { ...base, ...elements },
    { ...implementation, ...(transferSyntaxUid === undefined ? {} : { transferSyntaxUid }) },
  );

export interface ImageOptions {
  readonly rows?: number;
  readonly columns?: number;
  readonly frames?: number;
  readonly samples?: number;
  readonly bits?: number;
  readonly stored?: number;
  readonly signed?: boolean;
  readonly planar?: number;
  readonly photometric?: string;
}

/** Attributes of an image, without its pixels. */
export function imageElements(options: ImageOptions = {}): DicomJson {
  const { rows = 4, columns = 6, frames = 1, samples = 1, bits = 16, stored = bits, signed = false } = options;
  const us = (value: number) => ({ vr: 'US', Value: [value] });
  return {
    '00280002': us(samples),
    '00280004': { vr: 'CS', Value: [options.photometric ?? (samples === 1 ? 'MONOCHROME2' : 'RGB')] },
    ...(options.planar === undefined ? {} : { '00280006': us(options.planar) }),
    '00280008': { vr: 'IS', Value: [String(frames)] },
    '00280010': us(rows),
    '00280011': us(columns),
    '00280100': us(bits),
    '00280101': us(stored),
    '00280102': us(stored - 1),
    '00280103': us(signed ? 1 : 0),
  };
}

/** Reproducible bytes. */
export function noise(byteCount: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  for (let i = 0, state = seed; i < byteCount; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** One line an element, all levels: tag, VR where asked, value. Sequences name their items. */
export function linesOf(
  dataset: DicomDataset,
  options: { vr: boolean; without?: readonly string[] },
  path = '',
): string[] {
  return [...dataset].flatMap((element) => {
    const { tag, vr, value, items, fragments } = element;
    if (options.without?.includes(tag) === true || tag.endsWith('0000')) return [];
    const name = `${path}${tag}${options.vr ? ` ${vr}` : ''}`;
    if (items) return [name, ...items.flatMap((item, i) => linesOf(item, options, `${path}${tag}[${String(i)}].`))];
    return [`${name} ${fragments ? 'fragments' : Buffer.from(value).toString('hex')}`];
  });
}
