import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { constants, crc32, createDeflateRaw } from 'node:zlib';

import { type DicomJson, toDicomXml } from '@callosum/dicom';
import { type DeflatedPiece, type GzipPart, inflated, isLiteral } from '@callosum/gzip';

import type { RetrieveMemory } from '../../application/ports/memory.js';
import { isLong, type MetadataDataset } from '../../application/read-metadata.js';
import { begun } from './begun.js';
import { inLargePieces } from './large-pieces.js';

/** Text of a dataset that nobody waits for: most have some KiB. */
const uncountedBytes = 64 * 1024;
/** What a byte of the JSON of a dataset takes at most: its text as bytes and characters, and what it is parsed to. */
const parsedGrowth = 8;

/**
 * The XML of one dataset (PS3.19 A.1). A long one is written at once and kept deflated, as some twentieth of its text: what
 * it is written from is held while that takes, and not until a client has taken it, which may never be. One that is too
 * long for that is written as it is taken, from its object; its first text is there before.
 * @throws {MemoryTakenError} {RetrieveEndedError}
 */
export async function xmlOf(dataset: MetadataDataset, memory: RetrieveMemory): Promise<Readable> {
  if (isLong(dataset)) return Readable.from(inLargePieces(utf8(await begun(dataset.xml()))), { objectMode: false });
  const byteCount = dataset.reduce((sum, part) => sum + (isLiteral(part) ? part.length : part.byteCount), 0);
  if (byteCount <= uncountedBytes) {
    await memory.hold(0);
    return Readable.from(inLargePieces(utf8(toDicomXml(await parsed(dataset)))), { objectMode: false });
  }
  await memory.hold(Math.min(byteCount * parsedGrowth, memory.bytesMax));
  const text = await deflatedXml(dataset, memory.signal);
  // Who gave the dataset has it for as long.
  memory.keep([...dataset, text].reduce((sum, part) => sum + keptBytesOf(part), 0));
  return Readable.from(inflated([[text]]), { objectMode: false });
}

/** Text of our own: the index or this service has just written it. */
const parsed = async (dataset: readonly GzipPart[]): Promise<DicomJson> =>
  JSON.parse((await buffer(inflated([dataset]))).toString()) as DicomJson;

/** In a thread, piece by piece: others have their turn between two of them. */
async function deflatedXml(dataset: readonly GzipPart[], signal: AbortSignal): Promise<DeflatedPiece> {
  const json = await parsed(dataset);
  const deflated: Uint8Array[] = [];
  let [byteCount, crc] = [0, 0];
  const counted = async function* (): AsyncGenerator<Uint8Array> {
    for await (const piece of inLargePieces(utf8(toDicomXml(json)))) {
      byteCount += piece.length;
      crc = crc32(piece, crc);
      yield piece;
    }
  };
  await pipeline(
    counted,
    createDeflateRaw({ level: constants.Z_BEST_SPEED }),
    async (pieces: AsyncIterable<Uint8Array>) => {
      for await (const piece of pieces) deflated.push(piece);
    },
    { signal },
  );
  return { deflated: Buffer.concat(deflated), crc32: crc, byteCount };
}

/** A character has two bytes at most. */
function keptBytesOf(part: GzipPart): number {
  if (typeof part === 'string') return 2 * part.length;
  return isLiteral(part) ? part.length : part.deflated.length;
}

async function* utf8(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const text of texts) yield Buffer.from(text);
}
