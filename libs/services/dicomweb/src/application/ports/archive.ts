import type { Readable } from 'node:stream';

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

/** Bytes of a blob. */
export interface ByteRange {
  readonly offset: number;
  readonly length: number;
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
