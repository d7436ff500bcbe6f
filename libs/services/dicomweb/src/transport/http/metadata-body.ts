import { pipeline, Readable } from 'node:stream';
import { constants, createBrotliCompress, createGzip } from 'node:zlib';

import type { LongDataset } from '@callosum/dicom';
import { deflatePiece, type GzipPart, gzipMember, inflated } from '@callosum/gzip';

import type { RetrieveMemory } from '../../application/ports/memory.js';
import { isLong, type MetadataDataset } from '../../application/read-metadata.js';
import type { DatasetChoice } from '../../domain/accept.js';
import type { ContentCoding } from '../../domain/encoding.js';
import { begun } from './begun.js';
import { xmlOf } from './metadata-xml.js';
import { type BodyPart, multipartBody } from './multipart-body.js';

/** One dataset after the other. */
type Datasets = AsyncGenerator<MetadataDataset, void>;

export interface MetadataBody {
  readonly contentType: string;
  /** The first dataset, or the first text of a long one, is found before the body begins: what cannot be read has a status. */
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
    return {
      contentType: mediaType,
      open: async (coding) => jsonIn(coding, await begun(jsonArray(read(), coding === 'gzip'))),
    };
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

/**
 * Its first part comes when the first of a dataset is there.
 * @param asGzip what is not deflated yet is to be, since it would be sent as it is
 */
async function* jsonArray(datasets: Datasets, asGzip: boolean): AsyncGenerator<readonly GzipPart[], void> {
  let before = '[';
  for await (const dataset of datasets) {
    if (isLong(dataset)) yield* longJson(before, dataset, asGzip);
    else yield [before, ...dataset];
    before = ',';
  }
  yield [before === '[' ? '[]' : ']'];
}

async function* longJson(before: string, dataset: LongDataset, asGzip: boolean): AsyncGenerator<readonly GzipPart[]> {
  let text = before;
  for await (const more of dataset.json()) {
    text += more;
    yield [asGzip ? deflatePiece(text) : text];
    text = '';
  }
}

/** One gzip member of the pieces as they are, or what they inflate to. */
function jsonIn(coding: ContentCoding, text: AsyncGenerator<readonly GzipPart[]>): Readable {
  if (coding === 'gzip') return Readable.from(gzipMember(text), { objectMode: false });
  return compressed(Readable.from(inflated(text), { objectMode: false }), coding);
}

async function* xmlParts(read: () => Datasets, memory: RetrieveMemory): AsyncGenerator<BodyPart> {
  for await (const dataset of read())
    yield { contentType: 'application/dicom+xml', open: () => xmlOf(dataset, memory) };
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
