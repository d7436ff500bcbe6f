import { setTimeout as sleep } from 'node:timers/promises';

import { imaging } from '@callosum/contracts';
import { cutAtBulkDataUris, type DicomJson } from '@callosum/dicom';
import { deflatePiece } from '@callosum/gzip';
import type { StudyIndexClient } from '@callosum/runtime';
import { ClientError, Status } from 'nice-grpc';

import type { ByteRange } from '../application/ports/archive.js';
import type { IndexedMetadata, LocatedFrames } from '../application/ports/index.js';

// What a study-index of the version before answers, while both run in an upgrade (ADR 48). All throw ClientError.

interface CallOptions {
  /** Milliseconds. */
  readonly deadline: number;
  readonly signal: AbortSignal;
}
type Scope = imaging.StreamMetadataRequest;

/** How often it is asked whether it has caught up: each time it names every instance of the study. */
const pollMs = 250;
/** What its bulk data URIs begin with. */
const bulkDataPath = '/dicom-web/';

/** `ReadMetadata`. */
export async function* metadataOfOlder(
  client: StudyIndexClient,
  scope: Scope,
  options: CallOptions,
): AsyncGenerator<IndexedMetadata> {
  for await (const { sopInstanceUid, blobKey, dicomJson } of client.streamMetadata(scope, options))
    yield { sopInstanceUid, blobKey, pieces: cutAtBulkDataUris(dicomJson, bulkDataPath).map(deflatePiece) };
}

/** `LocateFrames` of one instance. Of native pixels undefined: it does not say where their value ends. */
export async function framesOfOlder(
  client: StudyIndexClient,
  scope: Scope,
  blobKey: string,
  numbers: readonly number[],
  options: CallOptions,
): Promise<LocatedFrames | undefined> {
  for await (const { instance, pixelData } of client.locateInstances(scope, options)) {
    if (instance?.blob?.key !== blobKey) return undefined;
    if (pixelData?.encapsulated === false) return undefined;
    const frames = pixelData?.frames ?? [];
    return {
      // An encapsulated frame is found without.
      image: undefined,
      encapsulated: pixelData?.encapsulated ?? false,
      nativeOffset: 0,
      nativeFrameBytes: 0,
      nativeByteCount: 0,
      frames: (numbers.length > 0 ? numbers.map((number) => frames[number - 1]) : frames).map(rangesOf),
    };
  }
  return undefined;
}

/** `AwaitIndexed`. */
export async function awaitWithOlder(
  client: StudyIndexClient,
  scope: Scope,
  blobKeys: readonly string[],
  waitMs: number,
  options: CallOptions,
): Promise<ReadonlySet<string>> {
  const missing = new Set(blobKeys);
  for (const deadline = Date.now() + waitMs; ; await sleep(pollMs, undefined, { signal: options.signal })) {
    try {
      for await (const { instance } of client.locateInstances(scope, options))
        missing.delete(instance?.blob?.key ?? '');
    } catch (error) {
      // Nothing of the study is indexed yet.
      if (!isNotFound(error)) throw error;
    }
    if (missing.size === 0 || Date.now() >= deadline) return missing;
  }
}

/** One row of `Search`, which names no UIDs beside it. */
export function rowOfOlder(dicomJson: string): imaging.SearchRow {
  const dataset = JSON.parse(dicomJson) as DicomJson;
  const uid = (tag: string): string => String(dataset[tag]?.Value?.[0] ?? '');
  return {
    dicomJson,
    studyInstanceUid: uid('0020000D'),
    seriesInstanceUid: uid('0020000E'),
    sopInstanceUid: uid('00080018'),
  };
}

export const isNotFound = (error: unknown): boolean => error instanceof ClientError && error.code === Status.NOT_FOUND;

/** Fragments of a frame; none of one that is not there. */
export const rangesOf = (frame: imaging.FrameFragments | undefined): readonly ByteRange[] =>
  (frame?.fragments ?? []).map(({ offset, byteCount }) => ({ offset: Number(offset), length: Number(byteCount) }));
