import { DicomParseError, parseHeader } from '@callosum/dicom';

import type {
  IntakeContext,
  ObjectIntake,
  ObjectWriter,
  SopReference,
  StoredObject,
} from '../application/ports/intake.js';
import { assertStored } from '../domain/store-rules.js';

/** An archive in memory that knows each object by its header, and whose commits end when a test lets them. */
export class MemoryIntake implements ObjectIntake {
  /** Objects that are durable, in the order they became so. */
  readonly stored: { readonly bytes: Buffer; readonly object: StoredObject; readonly context: IntakeContext }[] = [];
  /** Writers that were opened and neither committed nor aborted. */
  open = 0;
  aborted = 0;
  /** Commits under way, now and at most. */
  committing = 0;
  committingMax = 0;
  /** Largest number of bytes of one write. */
  chunkMax = 0;
  /** What each write fails with, where it does. */
  failure: Error | undefined;
  /** What a commit waits for, by the SOP Instance UID of the object. */
  gate: (sopInstanceUid: string) => Promise<void> = () => Promise.resolve();

  begin(context: IntakeContext): ObjectWriter {
    const chunks: Uint8Array[] = [];
    this.open++;
    let ended = false;
    const end = (): void => {
      if (!ended) this.open--;
      ended = true;
    };
    return {
      write: (bytes) => {
        this.chunkMax = Math.max(this.chunkMax, bytes.length);
        chunks.push(Buffer.from(bytes));
        return this.failure ? Promise.reject(this.failure) : Promise.resolve();
      },
      sopInstance: () => referenceOf(Buffer.concat(chunks)),
      commit: async () => {
        end();
        this.committingMax = Math.max(this.committingMax, ++this.committing);
        try {
          return await this.#commit(Buffer.concat(chunks), context);
        } finally {
          this.committing--;
        }
      },
      abort: () => {
        if (!ended) this.aborted++;
        end();
        return Promise.resolve();
      },
    };
  }

  async #commit(bytes: Buffer, context: IntakeContext): Promise<StoredObject> {
    const header = parseHeader(bytes, { complete: true });
    if (header === 'need-more') throw new DicomParseError('cut off');
    const uid = (keyword: string): string => header.dataset.string(keyword) ?? '';
    const sopInstanceUid = uid('SOPInstanceUID');
    await this.gate(sopInstanceUid);
    const { transferSyntaxUid } = header.fileMeta;
    assertStored({ sopClassUid: uid('SOPClassUID'), transferSyntaxUid });
    const object: StoredObject = {
      sopClassUid: uid('SOPClassUID'),
      sopInstanceUid,
      studyInstanceUid: uid('StudyInstanceUID'),
      seriesInstanceUid: uid('SeriesInstanceUID'),
      status: this.stored.some((one) => one.object.sopInstanceUid === sopInstanceUid) ? 'duplicate' : 'stored',
    };
    this.stored.push({ bytes, object, context });
    return object;
  }
}

function referenceOf(bytes: Uint8Array): SopReference | undefined {
  try {
    const header = parseHeader(bytes, { complete: true });
    if (header === 'need-more') return undefined;
    const [sopClassUid, sopInstanceUid] = [
      header.dataset.string('SOPClassUID'),
      header.dataset.string('SOPInstanceUID'),
    ];
    return sopClassUid && sopInstanceUid ? { sopClassUid, sopInstanceUid } : undefined;
  } catch {
    return undefined;
  }
}
