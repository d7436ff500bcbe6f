import { AssociationAbortedError } from '@callosum/dimse';
import { CallosumError, isUid } from '@callosum/kernel';

import type { DatasetUids } from '../domain/dataset-scanner.js';
import { UidMismatchError, UnreadableDatasetError } from '../domain/errors.js';
import { inspectDataset } from './inspect-dataset.js';
import type { InstanceArchive, ObjectBegin, ObjectUids } from './ports.js';

export interface StoredObject extends ObjectUids {
  readonly byteCount: number;
  /** What the archive made of it. */
  readonly outcome: string;
}

/**
 * Takes one object of an association into the archive while its bytes come. Resolves when the archive has committed
 * it; until then, and whenever it rejects, nothing of it is kept.
 * @throws {UnreadableDatasetError} no whole dataset, or without one of its four UIDs
 * @throws {UidMismatchError} another object than the command announced
 * @throws the archive's errors, and the stream's when the association ends inside the object
 */
export class StoreInstance {
  #outage: { readonly atMs: number; readonly code: string } | undefined;

  constructor(private readonly archive: InstanceArchive) {}

  /**
   * Why an object was refused since then that would be taken at another time: a code.
   * @param sinceMs of `performance.now()`
   */
  outageSince(sinceMs: number): string | undefined {
    return this.#outage && this.#outage.atMs >= sinceMs ? this.#outage.code : undefined;
  }

  async execute(object: ObjectBegin, dataset: AsyncIterable<Uint8Array>): Promise<StoredObject> {
    try {
      return await this.#store(object, dataset);
    } catch (error) {
      if (isOutage(error)) this.#outage = { atMs: performance.now(), code: error.code };
      throw error;
    }
  }

  async #store(object: ObjectBegin, dataset: AsyncIterable<Uint8Array>): Promise<StoredObject> {
    if (!isUid(object.sopInstanceUid))
      throw new UnreadableDatasetError('the SOP Instance UID of the command is no UID');
    const writer = await this.archive.begin(object);
    const inspection = inspectDataset(object.transferSyntaxUid);
    try {
      let byteCount = 0;
      for await (const bytes of dataset) {
        byteCount += bytes.length;
        await inspection.write(bytes);
        await writer.write(bytes);
      }
      const uids = checked(await inspection.end(), object);
      return { ...uids, byteCount, outcome: await writer.commit(uids) };
    } catch (error) {
      await writer.abort();
      throw error;
    } finally {
      inspection.close();
    }
  }
}

/** A sender that goes away inside an object is none of ours. */
const isOutage = (error: unknown): error is CallosumError =>
  error instanceof CallosumError && error.kind === 'unavailable' && !(error instanceof AssociationAbortedError);

/** PS3.4 section B.2.3: the dataset must be what the command said; without its study it could never be found. */
function checked(found: DatasetUids, object: ObjectBegin): ObjectUids {
  const { sopClassUid, sopInstanceUid, studyInstanceUid, seriesInstanceUid } = found;
  const uids = { sopClassUid, sopInstanceUid, studyInstanceUid, seriesInstanceUid };
  for (const [name, value] of Object.entries(uids)) {
    if (value === undefined || !isUid(value)) throw new UnreadableDatasetError(`${name} is missing or no UID`);
  }
  if (sopClassUid !== object.sopClassUid) throw new UidMismatchError('SOPClassUID');
  if (sopInstanceUid !== object.sopInstanceUid) throw new UidMismatchError('SOPInstanceUID');
  return uids as ObjectUids;
}
