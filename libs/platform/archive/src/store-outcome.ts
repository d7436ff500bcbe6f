import type { Deposited } from './deposit.js';
import type { Expected, InstanceUids, SopReference } from './instance-bytes.js';

/**
 * What became of an object (rule 2). All of them are success to the sender.
 * - `stored`: the first of its SOPInstanceUID
 * - `duplicate`: the same dataset is current already, or kept as a conflict, perhaps in another lossless syntax;
 *   nothing was written
 * - `correction`: same pixels, other attributes than the current ones, also those of an older revision: kept, now current
 * - `conflicting-pixels`: other pixels: kept, the first stays current, a person should look
 * - `conflicting-study`: of another Study or Series: the same
 */
export interface StoreOutcome extends InstanceUids, Deposited {
  readonly transferSyntaxUid: string;
}

/** One object on its way in; one of `commit` and `abort` ends it. */
export interface InstanceWriter {
  /** PS3.10 bytes: preamble, file meta information, dataset. Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * The acknowledgement: when it resolves the blob is durable and its row and its fact are committed.
   * @param expected UIDs announced for the object; others than these are refused
   * @throws {ArchiveUnavailableError} @throws {DicomParseError} @throws {TruncatedObjectError}
   * @throws {MissingUidError} @throws {UidMismatchError} @throws {ConflictRefusedError} and what `expected.assert` throws
   */
  commit(expected?: Expected): Promise<StoreOutcome>;
  /** Which SOP Instance was written so far, for an answer that names what failed; undefined where it cannot be read. */
  sopInstance(): SopReference | undefined;
  /** Leaves nothing behind. Idempotent, also after a failed commit. */
  abort(): Promise<void>;
}
