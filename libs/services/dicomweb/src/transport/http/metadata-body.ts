import { pipeline, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';

import { type DicomJson, toDicomXml } from '@callosum/dicom';
import { deflatePiece, type GzipPart, gzipMember, inflated, isLiteral } from '@callosum/gzip';

import type { RetrieveMemory } from '../../application/ports/memory.js';
import { isLong, type MetadataDataset } from '../../application/read-metadata.js';
import type { DatasetChoice } from '../../domain/accept.js';
import type { ContentCoding } from '../../domain/encoding.js';
import { type BodyPart, multipartBody } from './multipart-body.js';

/** One dataset after the other. */
type Datasets = AsyncGenerator<MetadataDataset, void>;

export interface MetadataBody {
  readonly contentType: string;
  /** The first dataset is found before the body begins, so that what cannot be read has a status. */
  open(coding: ContentCoding): Promise<Readable>;
}

/**
 * Metadata in the form that was chosen (PS3.18 10.4.1.1.2): one array of DICOM JSON, or a document of XML each.
 * @param read called when the body is opened, and not before
 * @param memory in which a long dataset is held while it is written as XML
 */
export function metadataBody(
  { mediaType, multipart }: DatasetChoice,
  read: () => Datasets,
  memory: RetrieveMemory,
): MetadataBody {
  if (mediaType === 'application/dicom+json')
    return { contentType: mediaType, open: async (coding) => jsonIn(coding, await begun(read())) };
  if (!multipart)
    return {
      contentType: mediaType,
      open: async (coding) => {
        for await (const dataset of read()) return compressed(await xmlOf(dataset, memory), coding);
        return Readable.from([]);
      },
    };
  const { contentType, open } = multipartBody(mediaType, xmlParts(read, memory));
  return { contentType, open: async (coding) => compressed(await open(), coding) };
}

/** Ready to be read on after the first. */
async function begun(datasets: Datasets): Promise<Datasets> {
  const first = await datasets.next();
  return (async function* () {
    if (first.done === true) return;
    yield first.value;
    yield* datasets;
  })();
}

/** @param asGzip what is not deflated yet is to be, since it would be sent as it is */
async function* jsonArray(datasets: Datasets, asGzip: boolean): AsyncGenerator<GzipPart> {
  let before = '[';
  for await (const dataset of datasets) {
    yield before;
    if (!isLong(dataset)) yield* dataset;
    else for await (const text of dataset.json()) yield asGzip ? deflatePiece(text) : text;
    before = ',';
  }
  yield before === '[' ? '[]' : ']';
}

/** One gzip member of the pieces as they are, or what they inflate to. */
function jsonIn(coding: ContentCoding, datasets: Datasets): Readable {
  const text = jsonArray(datasets, coding === 'gzip');
  if (coding === 'gzip') return Readable.from(gzipMember(text), { objectMode: false });
  return compressed(Readable.from(inLargePieces(inflated(text)), { objectMode: false }), coding);
}

async function* xmlParts(read: () => Datasets, memory: RetrieveMemory): AsyncGenerator<BodyPart> {
  for await (const dataset of read())
    yield { contentType: 'application/dicom+xml', open: () => xmlOf(dataset, memory) };
}

const pieceBytesMin = 64 * 1024;

/** Commas, addresses and datasets of some KiB as pieces that are worth a turn of the streams and a write to the socket. */
async function* inLargePieces(pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let some: Uint8Array[] = [];
  let byteCount = 0;
  for await (const piece of pieces) {
    some.push(piece);
    byteCount += piece.length;
    if (byteCount < pieceBytesMin) continue;
    yield some.length === 1 ? piece : Buffer.concat(some, byteCount);
    some = [];
    byteCount = 0;
  }
  if (byteCount > 0) yield Buffer.concat(some, byteCount);
}

async function* utf8(texts: Iterable<string> | AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  for await (const text of texts) yield Buffer.from(text);
}

/** Text of a dataset that nobody waits for: most have some KiB. */
const uncountedBytes = 64 * 1024;
/** What a byte of the JSON of a dataset takes at most: its text as bytes and characters, and what it is parsed to. */
const parsedGrowth = 8;

/**
 * The XML of one dataset (PS3.19 A.1), which is held while it is written, but for one that is too long to be.
 * @throws {MemoryTakenError} {RetrieveEndedError}
 */
async function xmlOf(dataset: MetadataDataset, memory: RetrieveMemory): Promise<Readable> {
  if (isLong(dataset)) return Readable.from(inLargePieces(utf8(dataset.xml())), { objectMode: false });
  const byteCount = dataset.reduce((sum, part) => sum + (isLiteral(part) ? part.length : part.byteCount), 0);
  await memory.hold(byteCount > uncountedBytes ? Math.min(byteCount * parsedGrowth, memory.bytesMax) : 0);
  const text = await buffer(inflated(dataset));
  // Text of our own: the index or this service has just written it.
  const json = JSON.parse(text.toString()) as DicomJson;
  return Readable.from(inLargePieces(utf8(toDicomXml(json))), { objectMode: false });
}

/** As small as gzip, at about its speed; the default of zlib (11) is for what is compressed once. */
const brotliQuality = 4;
/**
 * Bits of the window: with zlib's own 22 an encoder keeps 4 to 10 MiB for as long as its client takes, of which as many may run
 * as there are retrieves at once; with these 1 MiB. Metadata that repeat themselves do so within a dataset or two: they become 6% longer.
 */
const brotliWindowBits = 18;

function compressed(plain: Readable, coding: ContentCoding): Readable {
  if (coding === 'identity') return plain;
  const compress =
    coding === 'gzip'
      ? createGzip()
      : createBrotliCompress({
          params: {
            [constants.BROTLI_PARAM_QUALITY]: brotliQuality,
            [constants.BROTLI_PARAM_LGWIN]: brotliWindowBits,
          },
        });
  // What fails or ends at one of them ends the other; who reads the last is told.
  return pipeline(plain, compress, () => undefined);
}
