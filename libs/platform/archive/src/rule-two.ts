import { buffer } from 'node:stream/consumers';

import {
  comparePixels,
  type DatasetDigest,
  datasetDigest,
  DicomParseError,
  DicomPixelError,
  parsedElementsMax,
  parseInflated,
  type ParseLimits,
  TooManyElementsError,
  transferSyntaxOf,
} from '@callosum/dicom';
import type { ObjectStore } from '@callosum/object-store';

import type { ByteBudget } from './byte-budget.js';
import type { Ledger } from './ledger.js';
import type { LedgerEntry, PendingRow, Revision } from './pending-row.js';

/** What the ledger does with a further object of a UID. */
export type Verdict =
  | { readonly decision: 'duplicate'; readonly of: LedgerEntry }
  | ({ readonly decision: Revision['decision']; readonly digests: DatasetDigest | undefined } & Revision);

/** Objects compared in memory when a second one of a UID arrives; a larger pair is kept as conflicting. */
const compareBytesMax = 512 * 1024 * 1024;
/** Elements of each: a slide of 70,000 tiles has a million, which are some 370 MiB and seconds in which nothing else is done. */
const compareElementsMax = 1_000_000;
const bytesPerElement = 370;
/**
 * Elements and fragments that room is taken for first. Nearly all objects have fewer, however long their pixels are, and
 * are compared beside each other then; one of more is read again, with room for all that it can have.
 */
const fewMax = parsedElementsMax;
const bytesPerFragment = 120;
/** The shortest that an element is. */
const elementBytesMin = 8;
/** The same of what a deflated object inflates to, which is not known before and held twice while it does. */
const compareInflatedBytesMax = 128 * 1024 * 1024;

/**
 * A SOP Instance belongs to one Series of one Study for ever (PS3.3 A.1.2, PS3.5 9.1): one that names another is no
 * correction, whatever its pixels. Taken for one it would leave the first patient's study without an image it had.
 */
function relate(
  kept: { readonly entry: LedgerEntry; readonly digests: DatasetDigest },
  { written, digests }: { readonly written: PendingRow['written']; readonly digests: DatasetDigest },
): 'correction' | 'conflicting-pixels' | 'conflicting-study' {
  const { entry } = kept;
  if (entry.study_instance_uid !== written.studyInstanceUid || entry.series_instance_uid !== written.seriesInstanceUid)
    return 'conflicting-study';
  return comparePixels(kept.digests, digests) === 'same' ? 'correction' : 'conflicting-pixels';
}

/** A dataset may be kept several times, once for each time it became current; equal to the current one is what counts. */
const currentFirst = (kept: readonly LedgerEntry[]): LedgerEntry[] =>
  [...kept].sort((a, b) => Number(b.current) - Number(a.current) || a.revision - b.revision);

/**
 * What equals this needs no row. Callosum's own results say nothing of identity: its own retries and the copies that a
 * PACS coerces must not take turns.
 */
const staysAsItIs = (entry: LedgerEntry): boolean => entry.current || entry.issued_by_callosum;

/** Compares objects of one SOPInstanceUID (rule 2), in memory that all comparisons of the process share. */
export class RuleTwo {
  constructor(
    private readonly store: ObjectStore,
    private readonly ledger: Ledger,
    private readonly budget: ByteBudget,
    private readonly elementsMax = compareElementsMax,
  ) {}

  /**
   * Equal to the current object: a duplicate. Equal to an older one of the same pixels: its sender takes a correction
   * back, and it is current again, as a revision of its own. Equal to one that is kept beside the current one as a
   * conflict, or of Callosum's own making (rule 4): a duplicate, nothing flips.
   * @param kept every kept object of the UID, at least one
   * @param comesAfter true when the new object came after the kept one: always, unless it was lost and found again
   */
  async judge(
    row: PendingRow,
    kept: readonly LedgerEntry[],
    comesAfter: (entry: LedgerEntry) => boolean = () => true,
  ): Promise<Verdict> {
    const { written } = row;
    // Its row was written by a recovery that was faster, or by a commit whose answer was lost.
    const own = kept.find((entry) => entry.blob_key === written.blob.key);
    if (own) return { decision: 'duplicate', of: own };
    const copy = currentFirst(kept).find(
      (entry) =>
        entry.dataset_sha256 === written.datasetSha256 && entry.transfer_syntax_uid === written.transferSyntaxUid,
    );
    if (copy && staysAsItIs(copy)) return { decision: 'duplicate', of: copy };
    const found = await (copy
      ? this.digestsOf(copy)
      : this.#digests(written.blob.key, written.blob.byteCount, written.transferSyntaxUid));
    const digests = found ?? incomparable(written.blob.key);
    const others: { entry: LedgerEntry; digests: DatasetDigest }[] = [];
    for (const entry of currentFirst(kept)) others.push({ entry, digests: await this.digestsOf(entry) });
    const same = others.find(
      (other) =>
        other.digests.attributesDigest === digests.attributesDigest && comparePixels(other.digests, digests) === 'same',
    );
    if (same && staysAsItIs(same.entry)) return { decision: 'duplicate', of: same.entry };
    const revision = Math.max(...kept.map((entry) => entry.revision)) + 1;
    const current = others.find(({ entry }) => entry.current);
    const relation = current === undefined ? 'conflicting-pixels' : relate(current, { written, digests });
    const isLater = current === undefined || comesAfter(current.entry);
    if (same && (relation !== 'correction' || !isLater)) return { decision: 'duplicate', of: same.entry };
    // Of corrections the newest is current, of a conflict the first.
    if (relation !== 'correction') return { decision: relation, current: !isLater, revision, digests: found };
    return { decision: isLater ? relation : 'stored', current: isLater, revision, digests: found };
  }

  /** Of a kept object, computed at most once; what is erased without them compares with nothing. */
  async digestsOf(entry: LedgerEntry): Promise<DatasetDigest> {
    if (entry.attributes_digest !== null && entry.pixel_digest !== null) {
      return { attributesDigest: entry.attributes_digest, pixelDigest: entry.pixel_digest };
    }
    if (entry.erased_at !== null) return incomparable(entry.blob_key);
    const digests = await this.#digests(entry.blob_key, entry.byte_count, entry.transfer_syntax_uid);
    // That it is too large for us is said by limits of ours, which may change.
    if (!digests) return incomparable(entry.blob_key);
    await this.ledger.rememberDigests(entry.id, digests.attributesDigest, digests.pixelDigest);
    return digests;
  }

  /** Undefined for one that is larger than may be compared. */
  async #digests(blobKey: string, byteCount: number, transferSyntaxUid: string): Promise<DatasetDigest | undefined> {
    if (byteCount > compareBytesMax) return undefined;
    const inflatedBytes = transferSyntaxOf(transferSyntaxUid).deflated ? compareInflatedBytesMax : 0;
    const elementsMost = Math.min(this.elementsMax, (byteCount + inflatedBytes) / elementBytesMin);
    const ofBytes = byteCount + 2 * inflatedBytes;
    if (elementsMost > fewMax) {
      const limits = { elementsMax: fewMax, fragmentsMax: fewMax, strict: true };
      const few = await this.budget.hold(ofBytes + fewMax * (bytesPerElement + bytesPerFragment), () =>
        this.#read(blobKey, limits),
      );
      if (few !== 'too-many') return few;
    }
    const all = await this.budget.hold(ofBytes + elementsMost * bytesPerElement, () =>
      this.#read(blobKey, { elementsMax: this.elementsMax }),
    );
    return all === 'too-many' ? undefined : all;
  }

  /** Called with room for as much as these limits let in. */
  async #read(blobKey: string, limits: Partial<ParseLimits>): Promise<DatasetDigest | 'too-many'> {
    const bytes = await buffer(await this.store.get(blobKey));
    try {
      return await datasetDigest(await parseInflated(bytes, compareInflatedBytesMax, { limits }));
    } catch (error) {
      if (error instanceof TooManyElementsError) return 'too-many';
      // Its header could be read and the rest cannot: kept beside the others, and a person is told.
      if (error instanceof DicomParseError || error instanceof DicomPixelError) return incomparable(blobKey);
      throw error;
    }
  }
}

const incomparable = (blobKey: string): DatasetDigest => ({
  attributesDigest: `blob:${blobKey}`,
  pixelDigest: `blob:${blobKey}`,
});
