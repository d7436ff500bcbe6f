import { buffer } from 'node:stream/consumers';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

import type { DicomJson, LongDataset } from '@callosum/dicom';
import { deflatePiece, type GzipPart } from '@callosum/gzip';
import { multipartParts } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import type { MetadataDataset } from '../../application/read-metadata.js';
import type { DatasetChoice } from '../../domain/accept.js';
import type { ContentCoding } from '../../domain/encoding.js';
import { memoryOf } from '../../test-support/kept.js';
import { metadataBody } from './metadata-body.js';

/** As the index has a dataset: pieces, with the base between them. */
const datasetOf = (name: string): GzipPart[] => [
  deflatePiece(`{"00100010":{"vr":"PN","Value":[{"Alphabetic":"${name}"}]},"7FE00010":{"vr":"OW","BulkDataURI":"`),
  'https://pacs.example',
  deflatePiece('/dicom-web/x"}}'),
];
const names = ['Doe^Jane', 'Müller^<Äöß>'];
async function* datasets(...of: readonly string[]): AsyncGenerator<readonly GzipPart[]> {
  for (const name of of) yield await Promise.resolve(datasetOf(name));
}
const json = { mediaType: 'application/dicom+json', multipart: false } as const;
const xml = { mediaType: 'application/dicom+xml', multipart: true } as const;
const oneInXml = { ...xml, multipart: false } as const;

const decoders: Readonly<Record<ContentCoding, (bytes: Buffer) => Buffer>> = {
  gzip: gunzipSync,
  br: brotliDecompressSync,
  identity: (bytes) => bytes,
};
const codings = Object.entries(decoders) as [ContentCoding, (bytes: Buffer) => Buffer][];
const documentOf = (family: string, given: string): string =>
  '<?xml version="1.0" encoding="UTF-8"?>\n' +
  '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">' +
  '<DicomAttribute tag="00100010" keyword="PatientName" vr="PN"><PersonName number="1"><Alphabetic>' +
  `<FamilyName>${family}</FamilyName><GivenName>${given}</GivenName>` +
  '</Alphabetic></PersonName></DicomAttribute>' +
  '<DicomAttribute tag="7FE00010" keyword="PixelData" vr="OW"><BulkData uri="https://pacs.example/dicom-web/x"/></DicomAttribute>' +
  '</NativeDicomModel>\n';
const documents = [documentOf('Doe', 'Jane'), documentOf('Müller', '&lt;Äöß&gt;')];

describe.each(codings)('metadata in %s', (coding, decoded) => {
  it('as JSON is one array', async () => {
    for (const count of [0, 1, 2]) {
      const { contentType, open } = metadataBody(json, () => datasets(...names.slice(0, count)), memoryOf());
      expect(contentType).toBe('application/dicom+json');
      const text = decoded(await buffer(await open(coding))).toString();
      expect(JSON.parse(text)).toEqual(
        names.slice(0, count).map((Alphabetic) => ({
          '00100010': { vr: 'PN', Value: [{ Alphabetic }] },
          '7FE00010': { vr: 'OW', BulkDataURI: 'https://pacs.example/dicom-web/x' },
        })),
      );
    }
  });

  it('as XML is a part each (PS3.18 Table 10.4.4-1)', async () => {
    const { contentType, open } = metadataBody(xml, () => datasets(...names), memoryOf());
    expect(contentType).toMatch(/^multipart\/related; type="application\/dicom\+xml"; boundary=/);
    const parts = multipartParts(contentType, decoded(await buffer(await open(coding))));
    expect(parts.map((part) => part.contentType)).toEqual(names.map(() => 'application/dicom+xml'));
    expect(parts.map(({ bytes }) => bytes.toString())).toEqual(documents);
  });

  it('as XML of one instance is a single part too', async () => {
    const { contentType, open } = metadataBody(oneInXml, () => datasets(...names.slice(0, 1)), memoryOf());
    expect(contentType).toBe('application/dicom+xml');
    expect(decoded(await buffer(await open(coding))).toString()).toBe(documents[0]);
  });
});

describe('metadata of which one dataset is written as it is taken', () => {
  /** As it would be of an object. */
  const long = (name: string): LongDataset => ({
    json: async function* () {
      yield* await Promise.resolve([`{"00100010":{"vr":"PN","Value":[{"Alphabetic":"${name}"}]}`, '}']);
    },
    xml: async function* () {
      yield* await Promise.resolve(['<?xml version="1.0"?>', `<NativeDicomModel>${name}</NativeDicomModel>`]);
    },
  });
  async function* both(): AsyncGenerator<MetadataDataset> {
    yield await Promise.resolve(long('Long^One'));
    yield datasetOf('Doe^Jane');
  }

  it.each(codings)('are whole, in %s', async (coding, decoded) => {
    const memory = memoryOf();
    const array = metadataBody(json, both, memory);
    const parsed = JSON.parse(decoded(await buffer(await array.open(coding))).toString()) as DicomJson[];
    expect(parsed.map((dataset) => dataset['00100010']?.Value)).toEqual([
      [{ Alphabetic: 'Long^One' }],
      [{ Alphabetic: 'Doe^Jane' }],
    ]);
    const { contentType, open } = metadataBody(xml, both, memory);
    const parts = multipartParts(contentType, decoded(await buffer(await open(coding))));
    expect(parts.map(({ bytes }) => bytes.toString())).toEqual([
      '<?xml version="1.0"?><NativeDicomModel>Long^One</NativeDicomModel>',
      documents[0],
    ]);
    const one = metadataBody(oneInXml, both, memory);
    expect(decoded(await buffer(await one.open(coding))).toString()).toContain('Long^One');
  });

  it.each([json, xml, oneInXml])('that cannot be read is an error before it begins: %j', async (choice) => {
    const broken = async function* (): AsyncGenerator<string> {
      await Promise.reject(new Error('the store is away'));
      yield '{';
    };
    async function* one(): AsyncGenerator<MetadataDataset> {
      yield await Promise.resolve({ json: broken, xml: broken });
    }
    for (const [coding] of codings)
      await expect(metadataBody(choice, one, memoryOf()).open(coding)).rejects.toThrow('the store is away');
  });

  it('are deflated as gzip, though nobody had deflated them', async () => {
    const text = 'x'.repeat(100_000);
    async function* one(): AsyncGenerator<MetadataDataset> {
      yield await Promise.resolve(long(text));
    }
    const bytes = await buffer(await metadataBody(json, one, memoryOf()).open('gzip'));
    expect(bytes.length).toBeLessThan(2_000);
    expect(gunzipSync(bytes).toString()).toContain(text);
  });
});

describe.each([json, xml, oneInXml])('metadata as %j', (choice) => {
  it('is not read before it is opened', () => {
    const read = (): never => {
      throw new Error('read');
    };
    metadataBody(choice, read, memoryOf());
  });

  it('that cannot be read is an error before it begins', async () => {
    const failing = async function* (): AsyncGenerator<readonly GzipPart[]> {
      await Promise.reject(new Error('the index is away'));
      yield [];
    };
    for (const [coding] of codings)
      await expect(metadataBody(choice, failing, memoryOf()).open(coding)).rejects.toThrow('the index is away');
  });
});

describe.each([json, xml])('metadata as %j, of several', (choice) => {
  it('that breaks off is cut, in each coding', async () => {
    const failing = async function* (): AsyncGenerator<readonly GzipPart[]> {
      yield datasetOf('A');
      await Promise.reject(new Error('the index is away'));
    };
    for (const [coding] of codings) {
      const body = await metadataBody(choice, failing, memoryOf()).open(coding);
      await expect(buffer(body)).rejects.toThrow('the index is away');
    }
  });
});

it.each([
  ['JSON', json],
  ['XML', oneInXml],
] as const)('metadata as %s come in pieces that are worth a write', async (_, form) => {
  const many = Array.from({ length: 3_000 }, (_, i) => `Doe^${String(i)}`);
  const one = async function* (): AsyncGenerator<readonly GzipPart[]> {
    const names = JSON.stringify(many.map((Alphabetic) => ({ Alphabetic })));
    yield await Promise.resolve([`{"00100010":{"vr":"PN","Value":${names}}}`]);
  };
  const { open } = metadataBody(form, () => (form === json ? datasets(...many) : one()), memoryOf());
  const lengths: number[] = [];
  for await (const piece of (await open('identity')) as AsyncIterable<Uint8Array>) lengths.push(piece.length);
  expect(lengths.length).toBeGreaterThan(3);
  for (const length of lengths.slice(0, -1)) expect(length).toBeGreaterThanOrEqual(64 * 1024);
});

it('in br remember little: the encoder is held for as long as its client takes (RFC 7932 9.1)', async () => {
  const many = Array.from({ length: 3_000 }, (_, i) => `Doe^${String(i)}`);
  const bytes = await buffer(await metadataBody(json, () => datasets(...many), memoryOf()).open('br'));
  // WBITS: of the first byte four bits, xxx1, say 18 to 24, and 0 says 16.
  const [first = 0] = bytes;
  expect(first & 1).toBe(1);
  expect(17 + ((first >> 1) & 7)).toBeLessThanOrEqual(18);
});

describe('metadata as XML', () => {
  const long = `Doe^${'x'.repeat(100_000)}`;
  const held = async (choice: DatasetChoice, of: readonly string[], bytesMax?: number): Promise<readonly number[]> => {
    const memory = memoryOf(bytesMax);
    await buffer(await metadataBody(choice, () => datasets(...of), memory).open('identity'));
    return memory.held;
  };

  it('holds what a long dataset takes while it is written, as JSON, which is sent as it is, does not', async () => {
    const [holding, kept, letGo] = await held(xml, [long, 'short']);
    expect(holding).toBeGreaterThan(8 * 100_000);
    expect(holding).toBeLessThan(9 * 100_000);
    expect(kept).toBeLessThan(5_000);
    expect(letGo).toBe(0);
    expect((await held(oneInXml, [long]))[0]).toBe(holding);
    expect(await held(json, [long, 'short'])).toEqual([]);
  });

  it('takes as much memory as there is, and no more', async () => {
    expect((await held(oneInXml, [long], 50_000))[0]).toBe(50_000);
  });
});
