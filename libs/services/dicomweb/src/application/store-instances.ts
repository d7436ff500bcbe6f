import type { DicomJson } from '@callosum/dicom';
import { CallosumError, isUid, newId } from '@callosum/kernel';

import { BadRequestError, TooLargeError, TooManyStoresError, UnsupportedMediaTypeError } from '../domain/errors.js';
import { parseMediaTypes } from '../domain/media-type.js';
import { type MultipartLimits, MultipartReader } from '../domain/multipart-reader.js';
import { failureReasonOf, storeResponse, type StoreResult } from '../domain/store-response.js';
import { type ObjectIntake, ObjectRefusedError } from './ports.js';

export interface StoreRequest {
  readonly contentType: string;
  /** Of the whole body (RFC 9110 8.4); '' for none. */
  readonly contentEncoding: string;
  readonly body: AsyncIterable<Uint8Array>;
  /** From the path: every object must belong to it. */
  readonly studyInstanceUid: string | undefined;
  readonly source: string;
  /** Base of Retrieve URLs, "https://host/dicom-web". */
  readonly baseUrl: string;
}

export interface StoreLimits extends MultipartLimits {
  /** Requests at once: each may hold an upload's part in memory. */
  readonly requestsMax: number;
}

export interface StoreAnswer {
  readonly status: number;
  readonly dataset: DicomJson;
}

/** STOW-RS (PS3.18 10.5): each object of the request into the archive, one after the other as they stream in. */
export class StoreInstances {
  #running = 0;

  constructor(
    private readonly intake: ObjectIntake,
    private readonly limits: StoreLimits,
  ) {}

  /**
   * @throws {BadRequestError} {TooLargeError} {UnsupportedMediaTypeError} {TooManyStoresError} before anything was stored
   */
  async store(request: StoreRequest): Promise<StoreAnswer> {
    if (this.#running >= this.limits.requestsMax) throw new TooManyStoresError();
    this.#running++;
    try {
      return await this.#store(request);
    } finally {
      this.#running--;
    }
  }

  async #store(request: StoreRequest): Promise<StoreAnswer> {
    if (request.studyInstanceUid !== undefined && !isUid(request.studyInstanceUid))
      throw new BadRequestError('the study is no UID');
    refuseEncoded(request.contentEncoding);
    const results: StoreResult[] = [];
    const transferId = newId();
    try {
      for await (const body of this.#objects(request)) results.push(await this.#storeOne(body, request, transferId));
    } catch (error) {
      // What was stored before the request broke stays stored: the answer must say so.
      if (!results.some((result) => result.failureReason === undefined) || !(error instanceof CallosumError))
        throw error;
      results.push({ failureReason: failureReasonOf(error) });
    }
    if (results.length === 0) throw new BadRequestError('the request holds no object');
    return storeResponse(results, request.baseUrl);
  }

  async *#objects(request: StoreRequest): AsyncGenerator<AsyncIterable<Uint8Array>> {
    const [media] = parseMediaTypes(request.contentType);
    if (media?.type === 'application/dicom') {
      yield limited(request.body, this.limits.partBytesMax);
      return;
    }
    if (media?.type !== 'multipart/related')
      throw new UnsupportedMediaTypeError('send multipart/related or application/dicom');
    const root = media.parameters.get('type')?.toLowerCase() ?? 'application/dicom';
    if (root !== 'application/dicom') throw new UnsupportedMediaTypeError('objects are taken as application/dicom');
    const reader = new MultipartReader(request.body, media.parameters.get('boundary') ?? '', this.limits);
    for await (const { headers, body } of reader.parts()) {
      const type = parseMediaTypes(headers.get('content-type') ?? 'application/dicom')[0]?.type;
      if (type !== 'application/dicom') throw new UnsupportedMediaTypeError('objects are taken as application/dicom');
      refuseEncoded(headers.get('content-encoding') ?? '');
      yield body;
    }
  }

  async #storeOne(body: AsyncIterable<Uint8Array>, request: StoreRequest, transferId: string): Promise<StoreResult> {
    const watched = new WatchedSource(body);
    try {
      const stored = await this.intake.store(watched, {
        source: request.source,
        transferId,
        studyInstanceUid: request.studyInstanceUid,
      });
      return { stored };
    } catch (error) {
      // The request itself is broken: nothing after it can be read.
      if (watched.failure !== undefined) throw watched.failure;
      const { cause, sopInstance } =
        error instanceof ObjectRefusedError ? error : { cause: error, sopInstance: undefined };
      if (!(cause instanceof CallosumError) || cause.kind === 'internal') throw cause;
      return { failureReason: failureReasonOf(cause), ...(sopInstance ? { failed: sopInstance } : {}) };
    }
  }
}

/** Bodies are taken as they are: DICOM has its own compression, and what is not undone would be taken for another object. */
function refuseEncoded(contentEncoding: string): void {
  const codings = contentEncoding.split(',').map((coding) => coding.trim().toLowerCase());
  if (codings.some((coding) => coding !== '' && coding !== 'identity'))
    throw new UnsupportedMediaTypeError('send bodies without a content coding');
}

/** Tells a broken request from an archive that refuses. */
class WatchedSource implements AsyncIterable<Uint8Array> {
  failure: CallosumError | undefined;

  constructor(private readonly source: AsyncIterable<Uint8Array>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      yield* this.source;
    } catch (error) {
      this.failure = error instanceof CallosumError ? error : new BadRequestError('the request is cut off');
      throw error;
    }
  }
}

async function* limited(source: AsyncIterable<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of source) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new TooLargeError(`the object is larger than ${bytesMax} bytes`);
    yield chunk;
  }
}
