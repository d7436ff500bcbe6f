import { Readable } from 'node:stream';
import { inflateSync } from 'node:zlib';

import { ByteBudget } from '@callosum/archive';
import {
  type Attributes,
  datasetOf,
  type DicomJson,
  imagePixel,
  parseFile,
  pixelDataLayout,
  writeFile,
} from '@callosum/dicom';
import { createLogger } from '@callosum/telemetry';
import type { PlatformSettings } from '@callosum/runtime';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';

import type { KeptInstance, KeptInstances } from '../application/ports/archive.js';
import type { FrameSource } from '../application/ports/pixels.js';
import { ReadInstances } from '../application/read-instances.js';
import { RenderPictures } from '../application/render-pictures.js';
import { Retrieves } from '../application/retrieves.js';
import { NotFoundError } from '../domain/errors/door.js';
import { dicomwebSettings } from '../settings.js';
import { Answers } from '../transport/http/answer.js';
import { DicomwebErrorFilter } from '../transport/http/dicomweb-error.filter.js';
import { RenderedController } from '../transport/http/rendered.controller.js';
import { ThumbnailController } from '../transport/http/thumbnail.controller.js';
import { WadoUriController } from '../transport/http/wado-uri.controller.js';

/** An image whose rows are all alike: columns of grey. */
export interface Given {
  readonly sop: string;
  readonly series?: string;
  /** Values of a row, of each frame. */
  readonly frames?: readonly (readonly number[])[];
  readonly attributes?: Attributes;
  /** None: the object has no pixels. */
  readonly pixels?: false;
}

const study = '1.2';

/** A file of grey words, Explicit VR Little Endian. */
export function objectOf({ sop, series = '1.3', frames = [[0, 50, 100]], attributes = {}, pixels }: Given): Uint8Array {
  const [first = []] = frames;
  const image: Attributes = {
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    ...(frames.length > 1 ? { NumberOfFrames: frames.length } : {}),
    Rows: 1,
    Columns: first.length,
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    WindowCenter: 50.5,
    WindowWidth: 101,
  };
  const elements: DicomJson = datasetOf({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.7',
    SOPInstanceUID: sop,
    StudyInstanceUID: study,
    SeriesInstanceUID: series,
    ...(pixels === false ? {} : image),
    ...attributes,
  });
  const words = new Uint8Array(Uint16Array.from(frames.flat()).buffer);
  return writeFile(pixels === false ? elements : { ...elements, '7FE00010': { vr: 'OW', bytes: words } }, {
    implementationClassUid: '1.2.3',
  });
}

/** An image of three frames that differ. */
export const multiFrame = (sop: string): Uint8Array =>
  objectOf({
    sop,
    frames: [
      [0, 12, 20],
      [0, 50, 100],
      [100, 50, 0],
    ],
  });

/** A PDF in an object, or what says it is one. */
export const documentOf = (sop: string, document: Uint8Array, attributes: Attributes = {}): Uint8Array =>
  objectOf({
    sop,
    pixels: false,
    attributes: { MIMETypeOfEncapsulatedDocument: 'application/pdf', EncapsulatedDocument: document, ...attributes },
  });

/** Video in one fragment, after an empty Basic Offset Table. */
export function videoOf(sop: string, stream: Uint8Array): Uint8Array {
  const elements = datasetOf({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.77.1.1.1',
    SOPInstanceUID: sop,
    StudyInstanceUID: study,
    SeriesInstanceUID: '1.3',
    NumberOfFrames: 50,
    SamplesPerPixel: 3,
    PhotometricInterpretation: 'YBR_PARTIAL_420',
    Rows: 240,
    Columns: 320,
    BitsAllocated: 8,
    BitsStored: 8,
  });
  return writeFile(
    { ...elements, '7FE00010': { vr: 'OB', fragments: [new Uint8Array(0), stream] } },
    { implementationClassUid: '1.2.3', transferSyntaxUid: '1.2.840.10008.1.2.4.102' },
  );
}

/** The first bytes of an MP4, and what follows. */
export const mp4Stream = Buffer.concat([Buffer.from('000000206674797069736f6d', 'hex'), Buffer.alloc(100, 7)]);

/** The levels of a picture's first row. @param png as `encodePng` writes it: the filter of a row is the one above it */
export function levelsOf(png: Uint8Array): number[] {
  const bytes = Buffer.from(png);
  const at = bytes.indexOf('IDAT');
  const width = bytes.readUInt32BE(16);
  return [...inflateSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4))).subarray(1, 1 + width)];
}

/** The doors of pictures over objects in memory. */
export class Pictures {
  readonly http: FastifyInstance;
  readonly budget: ByteBudget;
  readonly #blobs = new Map<string, Uint8Array>();
  readonly #kept: KeptInstance[] = [];
  /** Frames that were read. */
  framesRead = 0;
  /** Reads of blobs. */
  reads = 0;

  readonly retrieves: Retrieves;

  constructor(settings: NodeJS.ProcessEnv = {}, { requestsMax = 100 } = {}) {
    const parsed = dicomwebSettings.parse(settings);
    this.budget = new ByteBudget(parsed.CALLOSUM_RENDERED_BYTES_MAX);
    const kept = this.#instances();
    const pictures = new RenderPictures(kept, this.#frames(), this.budget, 1_000);
    const logger = createLogger('dicomweb-test', 'error', { write: () => undefined });
    this.retrieves = new Retrieves(new ByteBudget(64 * 1024 * 1024), { requestsMax, memoryWaitMs: 1_000 });
    const answers = new Answers(this.retrieves, logger);
    const platform = { CALLOSUM_PUBLIC_URL: 'https://pacs.example/imaging' } as PlatformSettings;
    const rendered = new RenderedController(pictures, answers, parsed, platform);
    const thumbnails = new ThumbnailController(pictures, answers, parsed);
    const uri = new WadoUriController(pictures, new ReadInstances(kept), answers);
    this.http = fastify({ forceCloseConnections: true, routerOptions: { maxParamLength: 500 } });
    const filter = new DicomwebErrorFilter(logger);
    this.http.setErrorHandler((error, _request, reply) => {
      filter.catch(error, { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost);
    });
    type Path = { study: string; series: string; instance: string; frames: string };
    const get = (
      at: string,
      handle: (request: FastifyRequest, reply: FastifyReply, path: Path) => Promise<void>,
    ): void => {
      // Without a promise, which Fastify would take for the answer.
      this.http.get(`/dicom-web${at}`, (request, reply) => {
        void handle(request, reply, request.params as Path).catch((error: unknown) => reply.send(error));
      });
    };
    const [ofStudy, ofSeries] = ['/studies/:study', '/studies/:study/series/:series'];
    const [ofInstance, ofFrames] = [
      `${ofSeries}/instances/:instance`,
      `${ofSeries}/instances/:instance/frames/:frames`,
    ];
    get(`${ofStudy}/rendered`, (...asked) => rendered.study(...asked));
    get(`${ofSeries}/rendered`, (...asked) => rendered.series(...asked));
    get(`${ofInstance}/rendered`, (...asked) => rendered.instance(...asked));
    get(`${ofFrames}/rendered`, (request, reply, path) => rendered.frames(request, reply, path, path.frames));
    get(`${ofStudy}/thumbnail`, (...asked) => thumbnails.study(...asked));
    get(`${ofSeries}/thumbnail`, (...asked) => thumbnails.series(...asked));
    get(`${ofInstance}/thumbnail`, (...asked) => thumbnails.instance(...asked));
    get(`${ofFrames}/thumbnail`, (request, reply, path) => thumbnails.frame(request, reply, path, path.frames));
    get('', (request, reply) => uri.root(request, reply));
    get('/wado', (request, reply) => uri.wado(request, reply));
  }

  store(...objects: readonly Uint8Array[]): void {
    for (const bytes of objects) {
      const { dataset, transferSyntax } = parseFile(bytes);
      const uid = (keyword: string): string => dataset.string(keyword) ?? '';
      const blobKey = `blob ${String(this.#blobs.size)}`;
      this.#blobs.set(blobKey, bytes);
      this.#kept.push({
        studyInstanceUid: uid('StudyInstanceUID'),
        seriesInstanceUid: uid('SeriesInstanceUID'),
        sopInstanceUid: uid('SOPInstanceUID'),
        transferSyntaxUid: transferSyntax.uid,
        byteCount: bytes.length,
        blobKey,
      });
    }
  }

  get(url: string, headers: Record<string, string> = {}, method: 'GET' | 'HEAD' = 'GET') {
    return this.http.inject({ url: `/dicom-web${url}`, headers, method });
  }

  #instances(): KeptInstances {
    return {
      locate: ({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }) =>
        Promise.resolve(
          this.#kept.filter(
            (one) =>
              one.studyInstanceUid === studyInstanceUid &&
              (seriesInstanceUid ?? one.seriesInstanceUid) === one.seriesInstanceUid &&
              (sopInstanceUid ?? one.sopInstanceUid) === one.sopInstanceUid,
          ),
        ),
      open: (blobKey, _signal, { offset = 0, length } = { offset: 0 }) => {
        this.reads++;
        const bytes = this.#blobs.get(blobKey) ?? new Uint8Array(0);
        return Promise.resolve(
          Readable.from([Buffer.from(bytes.subarray(offset, length === undefined ? undefined : offset + length))]),
        );
      },
    };
  }

  #frames(): FrameSource {
    const blobs = this.#blobs;
    const counted = (): number => this.framesRead++;
    return {
      async *frames({ blobKey, transferSyntaxUid }, numbers) {
        await Promise.resolve();
        const file = parseFile(blobs.get(blobKey) ?? new Uint8Array(0));
        const { encapsulated, frames, nativeOffset, nativeFrameBytes } = pixelDataLayout(file);
        for (const number of numbers) {
          counted();
          const native = { offset: nativeOffset + (number - 1) * nativeFrameBytes, byteCount: nativeFrameBytes };
          const ranges = encapsulated ? (frames[number - 1] ?? []) : [native];
          if (ranges.length === 0) throw new NotFoundError(`frame ${String(number)}`);
          const bytes = Buffer.concat(
            ranges.map(({ offset, byteCount }) => file.bytes.subarray(offset, offset + byteCount)),
          );
          const { tag = '', vr = '' } = file.pixelData ?? {};
          yield {
            number,
            transferSyntaxUid,
            image: imagePixel(file.dataset),
            tag,
            vr,
            byteCount: bytes.length,
            ranges: ranges.map(({ offset, byteCount }) => ({ offset, length: byteCount })),
            bytes: () => Promise.resolve(new Uint8Array(bytes)),
          };
        }
      },
    };
  }
}
