import { imaging } from '@callosum/contracts';
import { fromDicomJson } from '@callosum/dicom';
import { isAnswerTooLarge, type StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { IndexMatch, IndexSearch, LocatedInstance, QueryIndex, StudyPart } from '../application/query-ports.js';
import {
  IdentifierError,
  IndexUnavailableError,
  MatchTooLargeError,
  SearchTooBroadError,
} from '../domain/query-errors.js';
import type { QueryLevel } from '../domain/query-model.js';

/** A peer reads 100,000 matches as slowly as it likes; its association's own timers say when it is gone. */
const searchDeadlineMs = 24 * 3_600_000;
/** Whatever is located is read at once. */
const locateDeadlineMs = 600_000;

const levels: Readonly<Record<QueryLevel, imaging.QueryLevel>> = {
  PATIENT: imaging.QueryLevel.QUERY_LEVEL_PATIENT,
  STUDY: imaging.QueryLevel.QUERY_LEVEL_STUDY,
  SERIES: imaging.QueryLevel.QUERY_LEVEL_SERIES,
  IMAGE: imaging.QueryLevel.QUERY_LEVEL_INSTANCE,
};

/** study-index over gRPC. */
export class QueryIndexGrpc implements QueryIndex {
  constructor(private readonly client: StudyIndexClient) {}

  async *search(asked: IndexSearch, signal: AbortSignal): AsyncGenerator<IndexMatch> {
    const request = imaging.SearchRequest.fromPartial({
      level: levels[asked.level],
      matches: asked.keys.map(({ path, value }) => ({ tag: path, value })),
      onlyRequested: true,
      fuzzyMatching: asked.fuzzyNames,
      combinedDatetime: asked.combinedDatetime,
      emptyValueMatching: asked.emptyValues,
      asker: asked.asker ?? 'dimse-ingest',
    });
    try {
      for await (const { dicomJson, unsupportedKeys } of this.client.search(request, {
        deadline: searchDeadlineMs,
        signal,
      }))
        yield { dataset: fromDicomJson(JSON.parse(dicomJson)), unsupportedKeys };
    } catch (error) {
      throw translated(error);
    }
  }

  async *instances(part: StudyPart, signal: AbortSignal): AsyncGenerator<LocatedInstance> {
    const request = imaging.LocateInstancesRequest.fromPartial({ ...part, withoutPixelData: true });
    try {
      for await (const { seriesInstanceUid, instance } of this.client.locateInstances(request, {
        deadline: locateDeadlineMs,
        signal,
      })) {
        const blobKey = instance?.blob?.key;
        if (!instance || blobKey === undefined) continue;
        const { sopInstanceUid, sopClassUid, transferSyntaxUid } = instance;
        const { studyInstanceUid } = part;
        yield { studyInstanceUid, seriesInstanceUid, sopInstanceUid, sopClassUid, transferSyntaxUid, blobKey };
      }
    } catch (error) {
      if (!(error instanceof ClientError && error.code === Status.NOT_FOUND)) throw translated(error);
    }
  }
}

/** The index names the attribute at fault, never its value. */
function translated(error: unknown): unknown {
  if (!(error instanceof ClientError)) return error;
  const { code, details } = error;
  if (code === Status.DEADLINE_EXCEEDED && details.startsWith('study-index.search-too-broad'))
    return new SearchTooBroadError({ cause: error });
  if (isAnswerTooLarge(error)) return new MatchTooLargeError({ cause: error });
  if (code !== Status.INVALID_ARGUMENT) return new IndexUnavailableError({ cause: error });
  const tag = /\bmatch on ([0-9A-F]{8})/.exec(details)?.[1];
  return new IdentifierError(`${tag ?? 'a key'} cannot be matched`, tag === undefined ? [] : [tag], { cause: error });
}
