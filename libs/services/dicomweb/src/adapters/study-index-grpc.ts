import { imaging } from '@callosum/contracts';
import { CallosumError } from '@callosum/kernel';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { Selection, StudyIndexReader } from '../application/ports.js';
import { BadRequestError } from '../domain/errors.js';

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

  async *metadata(selection: Selection) {
    try {
      yield* this.client.streamMetadata(scope(selection), { deadline: streamDeadlineMs });
    } catch (error) {
      if (!isNotFound(error)) throw translate(error);
    }
  }

  async pixelData(selection: Required<Selection>): Promise<imaging.PixelDataLayout | undefined> {
    try {
      for await (const { pixelData } of this.client.locateInstances(scope(selection), { deadline: streamDeadlineMs }))
        return pixelData;
      return undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw translate(error);
    }
  }

  async *search(request: imaging.SearchRequest) {
    try {
      for await (const { dicomJson } of this.client.search(request, { deadline: streamDeadlineMs })) yield dicomJson;
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
  // The index names the attribute at fault, never its value.
  return error.code === Status.INVALID_ARGUMENT ? new BadRequestError(error.details) : new IndexUnavailableError(error);
}
