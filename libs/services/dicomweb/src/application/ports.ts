import type { Readable } from 'node:stream';

import type { imaging } from '@callosum/contracts';

/** A study, one of its series, or one instance of it. */
export interface Selection {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid?: string;
  readonly sopInstanceUid?: string;
}

/** A current instance as the archive keeps it. */
export interface KeptInstance {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly blobKey: string;
  readonly byteCount: number;
}

/** The archive's ledger and blobs: what is stored, before the index knows of it too. */
export interface KeptInstances {
  /** In the order they came; empty when there are none. */
  locate(selection: Selection): Promise<readonly KeptInstance[]>;
  /** @param signal gives up, also in the middle of the bytes */
  open(
    blobKey: string,
    signal: AbortSignal,
    range?: { readonly offset: number; readonly length?: number },
  ): Promise<Readable>;
}

/** What one retrieve may hold of objects that cannot be streamed, and how long it goes on. */
export interface RetrieveMemory {
  /** Aborted when the answer has ended: what reads for it is given up. */
  readonly signal: AbortSignal;
  /** What it may hold at most: who needs more is refused. */
  readonly bytesMax: number;
  /**
   * Waits until so many bytes may be held: until the answer and the work for it have ended, or `hold` is called again.
   * @param byteCount at most `bytesMax`
   * @throws {MemoryTakenError} when the turn does not come
   * @throws {RetrieveEndedError} when the answer has ended: nothing may be held
   */
  hold(byteCount: number): Promise<void>;
}

/** The memory that all retrieves of a process share. */
export interface MemoryBudget {
  readonly bytesMax: number;
  /** Resolves with what gives the bytes back. @param signal ends the waiting, with its reason */
  take(byteCount: number, signal: AbortSignal): Promise<() => void>;
}

export interface IndexedMetadata {
  readonly sopInstanceUid: string;
  readonly dicomJson: string;
  readonly blobKey: string;
}

/** What study-index answers. */
export interface StudyIndexReader {
  /** DICOM JSON in instance order, with the blob it was read from; empty when the index does not know the selection. */
  metadata(selection: Selection, signal: AbortSignal): AsyncIterable<IndexedMetadata>;
  /** Undefined when the index does not know this very blob of the instance. */
  pixelData(kept: KeptInstance, signal: AbortSignal): Promise<imaging.PixelDataLayout | undefined>;
  /** @throws {TooLargeError} when the search is too broad to be answered */
  search(request: imaging.SearchRequest): AsyncIterable<imaging.SearchResponse>;
}

/** How an object went into the archive. */
export interface StoredObject {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly status: 'stored' | 'duplicate' | 'correction' | 'conflicting-pixels' | 'conflicting-study';
}

export interface IntakeContext {
  /** Name of the sender. */
  readonly source: string;
  /** One a request. */
  readonly transferId: string;
  /** The study the object must belong to. */
  readonly studyInstanceUid: string | undefined;
}

/** Which object it was, where its header could be read. */
export interface SopReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

/** Thrown when the archive did not take an object; `cause` says why. */
export class ObjectRefusedError extends Error {
  constructor(
    override readonly cause: unknown,
    readonly sopInstance: SopReference | undefined,
  ) {
    super('the object was refused', { cause });
  }
}

export interface ObjectIntake {
  /**
   * @throws {ObjectRefusedError} its cause a CallosumError of kind `unavailable` when the archive cannot store now, of
   *   `invalid` when the object is wrong
   */
  store(body: AsyncIterable<Uint8Array>, context: IntakeContext): Promise<StoredObject>;
}
