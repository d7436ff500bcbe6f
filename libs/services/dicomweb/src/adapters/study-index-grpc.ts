import { imaging } from '@callosum/contracts';
import { isAnswerTooLarge, type StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { ByteRange, KeptInstance, Selection } from '../application/ports/archive.js';
import type { FoundRows, IndexedMetadata, LocatedFrames, StudyIndexReader } from '../application/ports/index.js';
import { BadRequestError, TooLargeError } from '../domain/errors/door.js';
import { TooManySearchesError } from '../domain/errors/search.js';
import { IndexPresence } from './index-presence.js';
import {
  awaitWithOlder,
  framesOfOlder,
  isNotFound,
  metadataOfOlder,
  rangesOf,
  rowOfOlder,
} from './older-study-index.js';

export { IndexUnavailableError } from './index-presence.js';

/**
 * A stream without end is cut. It goes on no faster than its client takes what is found, 20,000 instances over a slow line
 * take minutes, and one who goes ends it.
 */
const streamDeadlineMs = 900_000;
/** A message that comes later than what it waits for. */
const answerDeadlineMs = 5_000;
/** All layouts of an object, of a study-index of the version before. */
const olderDeadlineMs = 30_000;
/** Rows of a search in one message: one takes a few hundred bytes, and study-index ends a message at 256 KiB. */
const rowsPerMessage = 200;

/**
 * study-index over gRPC. What it does not know is no error here: the archive's ledger decides what exists. A study-index
 * of the version before has some methods not (ADR 48): it is asked for the same in the way it knows.
 */
export class StudyIndexGrpc implements StudyIndexReader {
  constructor(
    private readonly client: StudyIndexClient,
    private readonly presence: IndexPresence = new IndexPresence(() => undefined),
  ) {}

  async *metadata(selection: Selection, signal: AbortSignal): AsyncGenerator<IndexedMetadata> {
    const request = imaging.ReadMetadataRequest.fromPartial(scope(selection));
    const deadline = streamDeadlineMs;
    try {
      const messages = this.presence.messages(
        (signal) => this.client.readMetadata(request, { deadline, signal }),
        signal,
      );
      for await (const { fragments } of messages) yield* fragments;
    } catch (error) {
      if (isUnimplemented(error)) yield* this.#metadataOfOlder(selection, signal);
      else if (!isNotFound(error)) throw this.#translate(error);
    }
  }

  async *#metadataOfOlder(selection: Selection, signal: AbortSignal): AsyncGenerator<IndexedMetadata> {
    const deadline = streamDeadlineMs;
    try {
      yield* this.presence.messages(
        (signal) => metadataOfOlder(this.client, scope(selection), { deadline, signal }),
        signal,
      );
    } catch (error) {
      if (!isNotFound(error)) throw this.#translate(error);
    }
  }

  async frames(
    kept: KeptInstance,
    numbers: readonly number[],
    signal: AbortSignal,
  ): Promise<LocatedFrames | undefined> {
    const deadline = streamDeadlineMs;
    const request = imaging.LocateFramesRequest.fromPartial({ ...scope(kept), frames: [...numbers] });
    let located: LocatedFrames | undefined;
    const frames: (readonly ByteRange[])[] = [];
    try {
      const messages = this.presence.messages(
        (signal) => this.client.locateFrames(request, { deadline, signal }),
        signal,
      );
      for await (const message of messages) {
        // A correction that the index has not read yet: its bytes lie elsewhere.
        if (message.blobKey !== kept.blobKey) return undefined;
        for (const frame of message.frames) frames.push(rangesOf(frame));
        located = {
          image: message.image,
          encapsulated: message.encapsulated,
          nativeOffset: Number(message.nativeOffset),
          nativeFrameBytes: Number(message.nativeFrameBytes),
          nativeByteCount: Number(message.nativeByteCount),
          frames,
        };
      }
      return located;
    } catch (error) {
      if (isUnimplemented(error)) {
        const options = { deadline: olderDeadlineMs, signal };
        return this.#translated(framesOfOlder(this.client, scope(kept), kept.blobKey, numbers, options), undefined);
      }
      if (isNotFound(error)) return undefined;
      throw this.#translate(error);
    }
  }

  async awaitIndexed(
    studyInstanceUid: string,
    blobKeys: readonly string[],
    waitMs: number,
    signal: AbortSignal,
  ): Promise<ReadonlySet<string>> {
    const options = { deadline: waitMs + answerDeadlineMs, signal };
    try {
      const request = imaging.AwaitIndexedRequest.fromPartial({ studyInstanceUid, blobKeys: [...blobKeys], waitMs });
      return new Set((await this.client.awaitIndexed(request, options)).missingBlobKeys);
    } catch (error) {
      if (!isUnimplemented(error)) throw this.#translate(error);
      return this.#translated(
        awaitWithOlder(this.client, scope({ studyInstanceUid }), blobKeys, waitMs, options),
        new Set(blobKeys),
      );
    }
  }

  async *search(request: imaging.SearchRequest, signal: AbortSignal): AsyncGenerator<FoundRows> {
    try {
      const asked = { ...request, rowsPerMessage, answerWithoutRows: true };
      const messages = this.client.search(asked, { deadline: streamDeadlineMs, signal });
      for await (const { dicomJson, rows, unsupportedKeys } of messages)
        yield { rows: dicomJson === '' ? rows : [rowOfOlder(dicomJson)], unsupportedKeys };
    } catch (error) {
      throw this.#translate(error);
    }
  }

  /** @param notFound what an answer is that says NOT_FOUND */
  async #translated<T>(answer: Promise<T>, notFound: T): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (isNotFound(error)) return notFound;
      throw this.#translate(error);
    }
  }

  #translate(error: unknown): unknown {
    if (!(error instanceof ClientError)) return error;
    // A narrower search is answered; any other deadline is one of the network.
    if (error.code === Status.DEADLINE_EXCEEDED && error.details.startsWith('study-index.search-too-broad'))
      return new TooLargeError(error.details);
    // So is one that asks for fewer attributes.
    if (isAnswerTooLarge(error)) return new TooLargeError(error.details);
    // It answers: others ask for as much as it looks for.
    if (error.code === Status.UNAVAILABLE && error.details.startsWith('study-index.too-many-searches'))
      return new TooManySearchesError({ cause: error });
    // The index names the attribute at fault, never its value.
    return error.code === Status.INVALID_ARGUMENT
      ? new BadRequestError(error.details)
      : this.presence.unavailable(error);
  }
}

function scope(selection: Selection): imaging.StreamMetadataRequest {
  return imaging.StreamMetadataRequest.fromPartial({
    studyInstanceUid: selection.studyInstanceUid,
    seriesInstanceUid: selection.seriesInstanceUid ?? '',
    sopInstanceUid: selection.sopInstanceUid ?? '',
  });
}

const isUnimplemented = (error: unknown): boolean =>
  error instanceof ClientError && error.code === Status.UNIMPLEMENTED;
