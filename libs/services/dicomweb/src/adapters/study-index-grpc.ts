import { imaging } from '@callosum/contracts';
import { CallosumError } from '@callosum/kernel';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { KeptInstance, Selection, StudyIndexReader } from '../application/ports.js';
import { BadRequestError, TooLargeError } from '../domain/errors.js';

/** Thrown when study-index does not answer. */
export class IndexUnavailableError extends CallosumError {
  constructor(cause: unknown) {
    super('dicomweb.index-unavailable', 'unavailable', 'the index does not answer', { cause });
  }
}

/** A study of 100,000 instances streams in less; a stream without end is cut. */
const streamDeadlineMs = 120_000;

/** study-index over gRPC. What it does not know is no error here: the archive's ledger decides what exists. */
export class StudyIndexGrpc implements StudyIndexReader {
  constructor(private readonly client: StudyIndexClient) {}

  async *metadata(selection: Selection, signal: AbortSignal) {
    try {
      yield* this.client.streamMetadata(scope(selection), { deadline: streamDeadlineMs, signal });
    } catch (error) {
      if (!isNotFound(error)) throw translate(error);
    }
  }

  async pixelData(kept: KeptInstance, signal: AbortSignal): Promise<imaging.PixelDataLayout | undefined> {
    const found = this.client.locateInstances(scope(kept), { deadline: streamDeadlineMs, signal });
    try {
      for await (const { instance, pixelData } of found) {
        // A correction that the index has not read yet: its bytes lie elsewhere.
        return instance?.blob?.key === kept.blobKey ? pixelData : undefined;
      }
      return undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw translate(error);
    }
  }

  async *search(request: imaging.SearchRequest) {
    try {
      yield* this.client.search(request, { deadline: streamDeadlineMs });
    } catch (error) {
      throw translate(error);
    }
  }
}

function scope(selection: Selection): imaging.StreamMetadataRequest {
  return imaging.StreamMetadataRequest.fromPartial({
    studyInstanceUid: selection.studyInstanceUid,
    seriesInstanceUid: selection.seriesInstanceUid ?? '',
    sopInstanceUid: selection.sopInstanceUid ?? '',
  });
}

const isNotFound = (error: unknown): boolean => error instanceof ClientError && error.code === Status.NOT_FOUND;

function translate(error: unknown): unknown {
  if (!(error instanceof ClientError)) return error;
  // A narrower search is answered; any other deadline is one of the network.
  if (error.code === Status.DEADLINE_EXCEEDED && error.details.startsWith('study-index.search-too-broad'))
    return new TooLargeError(error.details);
  // The index names the attribute at fault, never its value.
  return error.code === Status.INVALID_ARGUMENT ? new BadRequestError(error.details) : new IndexUnavailableError(error);
}
