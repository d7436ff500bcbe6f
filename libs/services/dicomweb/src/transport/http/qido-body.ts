import { Readable } from 'node:stream';

import { type DicomJson, toDicomXml } from '@callosum/dicom';

import type { DatasetChoice } from '../../domain/accept.js';
import { multipartBody } from './multipart-body.js';

export interface SearchBody {
  readonly contentType: string;
  /** Bytes, which have a length, where all is there; else what is sent while it is found. */
  open(): Promise<Buffer | Readable>;
}

/** Characters sent at once: what is written is a packet, and not a row. */
const chunkCharacters = 64 * 1024;

/**
 * Search results in the form that was chosen (PS3.18 10.6.3.3): one array of DICOM JSON, or a document of XML each in
 * multipart/related.
 * @param texts datasets of the DICOM JSON model, one at least
 */
export function searchBody({ mediaType }: DatasetChoice, texts: AsyncIterable<string> | readonly string[]): SearchBody {
  if (mediaType === 'application/dicom+xml') return multipartBody(mediaType, xmlParts(texts));
  const open = (): Promise<Buffer | Readable> =>
    Promise.resolve(
      Symbol.asyncIterator in texts
        ? Readable.from(jsonArray(texts), { objectMode: false })
        : Buffer.from(`[${texts.join(',')}]`),
    );
  return { contentType: mediaType, open };
}

async function* jsonArray(texts: AsyncIterable<string>): AsyncGenerator<Buffer> {
  let chunk = '';
  let before = '[';
  for await (const text of texts) {
    chunk += before + text;
    before = ',';
    if (chunk.length < chunkCharacters) continue;
    yield Buffer.from(chunk);
    chunk = '';
  }
  yield Buffer.from(`${chunk}${before === '[' ? '[' : ''}]`);
}

async function* xmlParts(texts: AsyncIterable<string> | readonly string[]) {
  for await (const text of texts) {
    const open = (): Promise<Readable> => {
      // Text of our own: the index has written it.
      const xml = toDicomXml(JSON.parse(text) as DicomJson);
      return Promise.resolve(Readable.from(xml, { objectMode: false }));
    };
    yield { contentType: 'application/dicom+xml', open };
  }
}
