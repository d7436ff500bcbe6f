import { imaging } from '@callosum/contracts';
import { dicomJsonText } from '@callosum/dicom';
import { isUid } from '@callosum/kernel';
import { ServerError, Status } from 'nice-grpc';

import { awaitedMax, awaitedMsMax, awaitIndexed } from '../application/await-indexed.js';
import { type WithheldAmong, withoutWithheld } from '../application/locate-shown.js';
import {
  frameMessages,
  framesMax,
  metadataMessages,
  readable,
  readableText,
  searchMessages,
} from '../application/messages.js';
import type { IndexQueries, InstanceScope, LocatedObject } from '../application/queries.js';
import type { Reindex } from '../application/reindex.js';
import { planSearch } from '../application/search-plan.js';
import { search, type SearchStore } from '../application/search.js';
import { MalformedRequestError, MalformedUidError, NotIndexedError, SearchTooBroadError } from '../domain/errors.js';

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
    const study = await this.queries.study(uid(request.studyInstanceUid, 'study_instance_uid'));
    readable(imaging.Study.encode(study).finish().length);
    return { study };
  }

  async getDemographics(request: imaging.GetDemographicsRequest) {
    return this.queries.demographics(uid(request.studyInstanceUid, 'study_instance_uid'));
  }

  async *search(
    request: imaging.SearchRequest,
    context?: { readonly signal: AbortSignal },
  ): AsyncGenerator<{ rows?: imaging.SearchRow[]; dicomJson?: string; unsupportedKeys: string[] }> {
    const plan = planSearch(request);
    const unsupportedKeys = [...plan.unsupported];
    const datasets = search(this.searches, plan, context?.signal);
    try {
      if (request.rowsPerMessage > 0) {
        let isEmpty = true;
        for await (const rows of searchMessages(datasets, request.rowsPerMessage)) {
          isEmpty = false;
          yield { rows, unsupportedKeys };
        }
        if (isEmpty && request.answerWithoutRows) yield { rows: [], unsupportedKeys };
      } else {
        for await (const dataset of datasets)
          yield { dicomJson: readableText(dicomJsonText(dataset)), unsupportedKeys };
      }
    } catch (error) {
      // The one error of ours that is about time: gRPC has a status of its own for it.
      if (error instanceof SearchTooBroadError)
        throw new ServerError(Status.DEADLINE_EXCEEDED, `${error.code}: ${error.message}`);
      throw error;
    }
  }

  async *streamMetadata(request: imaging.StreamMetadataRequest) {
    for await (const metadata of found(this.queries.metadata(scopeOf(request)), request)) {
      readable(Buffer.byteLength(metadata.dicomJson));
      yield metadata;
    }
  }

  async *locateInstances(request: imaging.LocateInstancesRequest) {
    const scope = scopeOf(request);
    const located = request.withoutPixelData ? this.queries.blobs(scope) : this.queries.locations(scope);
    yield* withoutWithheld(
      this.archive,
      request.studyInstanceUid,
      found(located, request),
      ({ instance }) => instance?.sopInstanceUid ?? '',
    );
  }

  async *readMetadata(request: imaging.ReadMetadataRequest) {
    yield* metadataMessages(found(this.queries.fragments(scopeOf(request)), request));
  }

  async *locateFrames(request: imaging.LocateFramesRequest) {
    const { frames, sopInstanceUid } = request;
    const series = {
      studyInstanceUid: uid(request.studyInstanceUid, 'study_instance_uid'),
      seriesInstanceUid: uid(request.seriesInstanceUid, 'series_instance_uid'),
    };
    if (frames.length > framesMax) throw new MalformedRequestError(`more than ${framesMax} frames are asked for`);
    if (frames.includes(0)) throw new MalformedRequestError('frames are counted from 1');
    if (frames.length > 0 && sopInstanceUid === '')
      throw new MalformedRequestError('frames are asked for of one instance');
    const objects = async function* (queries: IndexQueries): AsyncGenerator<LocatedObject> {
      if (sopInstanceUid === '') yield* await queries.singleFrames(series, framesMax);
      else {
        const one = { ...series, sopInstanceUid: uid(sopInstanceUid, 'sop_instance_uid') };
        const object = await queries.framesOfInstance(one, frames);
        if (object) yield object;
      }
    };
    const located = found(objects(this.queries), request);
    const shown = withoutWithheld(this.archive, series.studyInstanceUid, located, (one) => one.sopInstanceUid);
    for await (const object of shown) yield* frameMessages(object);
  }

  async awaitIndexed(request: imaging.AwaitIndexedRequest, context?: { readonly signal: AbortSignal }) {
    const { blobKeys, waitMs } = request;
    const studyInstanceUid = uid(request.studyInstanceUid, 'study_instance_uid');
    if (blobKeys.length > awaitedMax) throw new MalformedRequestError(`more than ${awaitedMax} blobs are asked for`);
    if (waitMs > awaitedMsMax) throw new MalformedRequestError(`nobody waits longer than ${awaitedMsMax} ms`);
    const missing = await awaitIndexed(this.queries, studyInstanceUid, blobKeys, waitMs, context?.signal);
    return { missingBlobKeys: [...missing] };
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

function scopeOf(request: Asked): InstanceScope {
  return {
    studyInstanceUid: uid(request.studyInstanceUid, 'study_instance_uid'),
    ...(request.seriesInstanceUid ? { seriesInstanceUid: uid(request.seriesInstanceUid, 'series_instance_uid') } : {}),
    ...(request.sopInstanceUid ? { sopInstanceUid: uid(request.sopInstanceUid, 'sop_instance_uid') } : {}),
  };
}

type Asked = Pick<imaging.StreamMetadataRequest, 'studyInstanceUid' | 'seriesInstanceUid' | 'sopInstanceUid'>;

/** A stream without a row is a UID nobody knows. */
async function* found<T>(rows: AsyncIterable<T>, request: Asked): AsyncGenerator<T> {
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
