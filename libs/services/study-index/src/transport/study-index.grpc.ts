import { imaging } from '@callosum/contracts';
import { isUid } from '@callosum/kernel';
import { ServerError, Status } from 'nice-grpc';

import { type WithheldAmong, withoutWithheld } from '../application/locate-shown.js';
import type { IndexQueries, InstanceScope } from '../application/queries.js';
import type { Reindex } from '../application/reindex.js';
import { planSearch } from '../application/search-plan.js';
import { search, type SearchStore } from '../application/search.js';
import { MalformedUidError, NotIndexedError, SearchTooBroadError } from '../domain/errors.js';

/** Longer than a commit can take that waits for locks and for the disk: 10 s and 30 s are their limits. */
const settledSecondsDefault = 120;

/** callosum.imaging.v1.StudyIndexService. */
export class StudyIndexGrpc implements imaging.StudyIndexServiceImplementation {
  constructor(
    private readonly queries: IndexQueries,
    private readonly searches: SearchStore,
    private readonly rebuild: Reindex,
    private readonly archive: WithheldAmong,
  ) {}

  async getStudy(request: imaging.GetStudyRequest) {
    return { study: await this.queries.study(uid(request.studyInstanceUid, 'study_instance_uid')) };
  }

  async getDemographics(request: imaging.GetDemographicsRequest) {
    return this.queries.demographics(uid(request.studyInstanceUid, 'study_instance_uid'));
  }

  async *search(request: imaging.SearchRequest, context?: { readonly signal: AbortSignal }) {
    const plan = planSearch(request);
    const unsupportedKeys = [...plan.unsupported];
    try {
      for await (const dataset of search(this.searches, plan, context?.signal))
        yield { dicomJson: JSON.stringify(dataset), unsupportedKeys };
    } catch (error) {
      // The one error of ours that is about time: gRPC has a status of its own for it.
      if (error instanceof SearchTooBroadError)
        throw new ServerError(Status.DEADLINE_EXCEEDED, `${error.code}: ${error.message}`);
      throw error;
    }
  }

  async *streamMetadata(request: imaging.StreamMetadataRequest) {
    yield* found(this.queries.metadata(scopeOf(request)), request);
  }

  async *locateInstances(request: imaging.LocateInstancesRequest) {
    const scope = scopeOf(request);
    const located = request.withoutPixelData ? this.queries.blobs(scope) : this.queries.locations(scope);
    yield* withoutWithheld(this.archive, request.studyInstanceUid, found(located, request));
  }

  async *reindex({ settledSeconds = settledSecondsDefault }: imaging.ReindexRequest) {
    for await (const progress of this.rebuild.run(settledSeconds * 1_000)) {
      yield {
        instancesDone: BigInt(progress.done),
        instancesTotal: BigInt(progress.total),
        instancesFailed: BigInt(progress.failed),
        blobsExamined: BigInt(progress.ledger.examined),
        blobsRecovered: BigInt(progress.ledger.recovered),
        blobsUnreadable: BigInt(progress.ledger.unreadable),
      };
    }
  }
}

function uid(value: string, field: string): string {
  if (!isUid(value)) throw new MalformedUidError(field);
  return value;
}

function scopeOf(request: imaging.StreamMetadataRequest): InstanceScope {
  return {
    studyInstanceUid: uid(request.studyInstanceUid, 'study_instance_uid'),
    ...(request.seriesInstanceUid ? { seriesInstanceUid: uid(request.seriesInstanceUid, 'series_instance_uid') } : {}),
    ...(request.sopInstanceUid ? { sopInstanceUid: uid(request.sopInstanceUid, 'sop_instance_uid') } : {}),
  };
}

/** A stream without a row is a UID nobody knows. */
async function* found<T>(rows: AsyncIterable<T>, request: imaging.StreamMetadataRequest): AsyncGenerator<T> {
  let any = false;
  for await (const row of rows) {
    any = true;
    yield row;
  }
  if (any) return;
  if (request.sopInstanceUid) throw new NotIndexedError('instance', request.sopInstanceUid);
  if (request.seriesInstanceUid) throw new NotIndexedError('series', request.seriesInstanceUid);
  throw new NotIndexedError('study', request.studyInstanceUid);
}
