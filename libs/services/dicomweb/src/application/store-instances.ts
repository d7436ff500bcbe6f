import type { DicomJson } from '@callosum/dicom';
import { CallosumError, isUid, newId } from '@callosum/kernel';

import { BadRequestError, TooLargeError } from '../domain/errors/door.js';
import { TooManyStoresError, UnsupportedMediaTypeError, UnusableMetadataError } from '../domain/errors/store.js';
import { type MediaType, parseMediaTypes } from '../domain/media-type.js';
import { type MultipartLimits, type MultipartPart, MultipartReader } from '../domain/multipart-reader.js';
import { refuseEncoded } from '../domain/store-coding.js';
import { failureReasons, storeResponse } from '../domain/store-response.js';
import { Places } from './places.js';
import type { IntakeContext, ObjectIntake, ObjectWriter } from './ports/intake.js';
import { DatasetTurns, type MetadataLimits } from './store-datasets.js';
import { HeldMemory } from './store-held.js';
import { CommitLine, CommitTurns } from './store-line.js';
import { MetadataStore } from './store-metadata.js';

export interface StoreRequest {
  readonly contentType: string;
  /** Of the whole body (RFC 9110 8.4); '' for none. */
  readonly contentEncoding: string;
  /** Bytes that it says its body has; 0 where it does not say, as of one in chunks. */
  readonly byteCount?: number;
  /** Throws a CallosumError when it breaks. */
  readonly body: AsyncIterable<Uint8Array>;
  /** From the path: every object must belong to it. */
  readonly studyInstanceUid: string | undefined;
  readonly source: string;
  /** Who sends it, as of {@link Places}. */
  readonly asker: string | undefined;
  /** Base of Retrieve URLs, "https://host/dicom-web". */
  readonly baseUrl: string;
}

export interface StoreLimits extends MultipartLimits {
  /** Requests at once: each may hold an upload's part in memory. */
  readonly requestsMax: number;
  /** Objects of one request that become durable at the same time. */
  readonly commitsMax: number;
  readonly metadata: MetadataLimits;
  /** Bytes that all requests with metadata may hold together. */
  readonly heldBytesMax: number;
}

export interface StoreAnswer {
  readonly status: number;
  readonly dataset: DicomJson;
  /** Why the request was not read to its end, for people. */
  readonly warning?: string;
}

/** Requests whose objects are committed side by side, beyond one each: what is held is bounded for all of them. */
const sharedRequests = 8;
const objectType = 'application/dicom';
const metadataType = 'application/dicom+json';
/** JSON of DICOM is JSON: clients from before it had a name of its own, such as dcm4che, say so in a multipart. */
const namedNow = (type: string | undefined): string | undefined => (type === 'application/json' ? metadataType : type);

/** STOW-RS (PS3.18 10.5): the objects of a request into the archive, as they stream in. */
export class StoreInstances {
  readonly #turns: CommitTurns;
  readonly #memory: HeldMemory;
  readonly #datasets = new DatasetTurns();
  readonly #places: Places;

  /** @param tell hears of a defect in a request that is answered all the same */
  constructor(
    private readonly intake: ObjectIntake,
    private readonly limits: StoreLimits,
    private readonly tell: (error: unknown) => void,
  ) {
    this.#turns = new CommitTurns(sharedRequests * (limits.commitsMax - 1));
    this.#memory = new HeldMemory(limits.heldBytesMax);
    this.#places = new Places(limits.requestsMax);
  }

  /**
   * @throws {BadRequestError} {TooLargeError} {UnsupportedMediaTypeError} {TooManyStoresError} {SlowRequestError} when
   *   nothing of it was stored; what was stored before a request broke stays stored, and the answer says so
   */
  async store(request: StoreRequest): Promise<StoreAnswer> {
    const leave = this.#places.take(request.asker);
    if (!leave) throw new TooManyStoresError();
    try {
      return await this.#store(request);
    } finally {
      leave();
    }
  }

  async #store(request: StoreRequest): Promise<StoreAnswer> {
    if (request.studyInstanceUid !== undefined && !isUid(request.studyInstanceUid))
      throw new BadRequestError('the study is no UID');
    refuseEncoded(request.contentEncoding);
    const line = new CommitLine(this.limits.commitsMax, this.#turns, this.tell);
    let broken: Error | undefined;
    try {
      await this.#read(request, line);
    } catch (error) {
      broken = error instanceof Error ? error : new BadRequestError('the request is broken');
      if (!line.hasFailedWith(broken)) line.fail(line.place(), broken);
    }
    const results = await line.ended();
    if (!results.some(({ stored }) => stored)) {
      if (broken !== undefined) throw broken;
      const { defect } = line;
      if (defect !== undefined && results.every((one) => one.failureReason === failureReasons.processingFailure))
        throw defect;
    }
    if (results.length === 0) throw new BadRequestError('the request holds no object');
    return { ...storeResponse(results, request.baseUrl), ...(broken === undefined ? {} : { warning: textOf(broken) }) };
  }

  async #read(request: StoreRequest, line: CommitLine): Promise<void> {
    const { studyInstanceUid, source } = request;
    const context: IntakeContext = { source, transferId: newId(), studyInstanceUid };
    const [media] = parseMediaTypes(request.contentType);
    if (media?.type === objectType) {
      refuseLonger(request, this.limits.partBytesMax, 'object');
      return this.#object(limited(request.body, this.limits.partBytesMax), context, line);
    }
    if (media?.type === metadataType) {
      refuseLonger(request, this.limits.metadata.json.bytesMax, 'metadata');
      return this.#withMetadata(context, line, (metadata) => metadata.metadata(request.body));
    }
    if (media?.type !== 'multipart/related')
      throw new UnsupportedMediaTypeError(`send multipart/related, ${objectType} or ${metadataType}`);
    const root = namedNow(media.parameters.get('type')?.toLowerCase()) ?? objectType;
    if (root === objectType) return this.#objects(this.#parts(request, media), context, line);
    if (root !== metadataType)
      throw new UnsupportedMediaTypeError(`objects are taken as ${objectType}, or as ${metadataType} with bulk data`);
    return this.#withMetadata(context, line, (metadata) => this.#metadata(this.#parts(request, media), metadata));
  }

  #parts(request: StoreRequest, media: MediaType): AsyncIterable<MultipartPart> {
    refuseLonger(request, this.limits.bytesMax, 'request');
    return new MultipartReader(request.body, media.parameters.get('boundary') ?? '', this.limits).parts();
  }

  async #objects(parts: AsyncIterable<MultipartPart>, context: IntakeContext, line: CommitLine): Promise<void> {
    for await (const { headers, body } of parts) {
      if (typeOf(headers, objectType) !== objectType)
        throw new UnsupportedMediaTypeError(`objects are taken as ${objectType}`);
      refuseEncoded(headers.get('content-encoding') ?? '');
      await this.#object(body, context, line);
    }
  }

  async #object(body: AsyncIterable<Uint8Array>, context: IntakeContext, line: CommitLine): Promise<void> {
    const place = line.place();
    // Opened with the first byte: a part without one costs nothing.
    let writer: ObjectWriter | undefined;
    try {
      for await (const chunk of body) {
        writer ??= this.intake.begin(context);
        await writer.write(chunk);
      }
    } catch (error) {
      line.fail(place, error, writer?.sopInstance());
      await writer?.abort();
      throw error;
    }
    if (writer) await line.commit(place, writer);
    else line.fail(place, new BadRequestError('an object has no byte'));
  }

  /** The first part is metadata; others are too, or bulk data of what stands before. */
  async #metadata(parts: AsyncIterable<MultipartPart>, metadata: MetadataStore): Promise<void> {
    let isFirst = true;
    for await (const part of parts) {
      const isMetadata = typeOf(part.headers, isFirst ? metadataType : '') === metadataType;
      if (isFirst && !isMetadata) throw new UnsupportedMediaTypeError(`the first part is ${metadataType}`);
      isFirst = false;
      if (isMetadata) {
        refuseEncoded(part.headers.get('content-encoding') ?? '');
        await metadata.metadata(part.body);
      } else await metadata.bulk(part);
    }
  }

  async #withMetadata(
    context: IntakeContext,
    line: CommitLine,
    read: (metadata: MetadataStore) => Promise<void>,
  ): Promise<void> {
    const { metadata: limits } = this.limits;
    const metadata = new MetadataStore(this.intake, line, context, limits, this.#memory, this.#datasets);
    let why: unknown = new UnusableMetadataError('bulk data of the instance is missing');
    try {
      await read(metadata);
    } catch (error) {
      why = error;
      throw error;
    } finally {
      await metadata.end(why);
    }
  }
}

/** Media type of a part. @throws {BadRequestError} */
const typeOf = (headers: MultipartPart['headers'], byDefault: string): string | undefined =>
  namedNow(parseMediaTypes(headers.get('content-type') ?? byDefault)[0]?.type);

const textOf = (error: unknown): string =>
  error instanceof CallosumError && error.kind !== 'internal'
    ? error.message
    : 'the request could not be read to its end';

/**
 * Before any of it is read: a length is of the bytes as they come, and so are the limits, since bodies with a content coding
 * are refused.
 * @throws {TooLargeError}
 */
function refuseLonger({ byteCount = 0 }: StoreRequest, bytesMax: number, what: string): void {
  if (byteCount > bytesMax) throw new TooLargeError(`the ${what} is larger than ${bytesMax} bytes`);
}

async function* limited(source: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new TooLargeError(`the object is larger than ${bytesMax} bytes`);
    yield chunk;
  }
}
