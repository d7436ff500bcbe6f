import type { Readable } from 'node:stream';

import {
  ExplicitVRLittleEndian,
  implementationClassUid,
  implementationVersionName,
  transferSyntaxOf,
  writeDataset,
  writeFileMeta,
} from '@callosum/dicom';

import { type Accepted, chooseInstanceForm, type InstanceForm } from '../domain/accept.js';
import { NotAcceptableError, NotFoundError, TooLargeError } from '../domain/errors.js';
import { asWritten } from '../domain/rewrite.js';
import type { KeptInstance, KeptInstances, RetrieveMemory, Selection } from './ports.js';
import { holdFile, mayBeHeld, stillAsked, streamOf } from './stored-file.js';

export interface InstanceBody {
  readonly instance: KeptInstance;
  readonly transferSyntaxUid: string;
  readonly multipart: boolean;
  open(): Promise<Readable>;
}

/** Stored instances as application/dicom (PS3.18 10.4.1.1.1): streamed as they are, or rewritten in memory. */
export class ReadInstances {
  constructor(private readonly kept: KeptInstances) {}

  /** @throws {NotFoundError} @throws {NotAcceptableError} when one of them cannot be given as accepted */
  async read(selection: Selection, accepted: readonly Accepted[], memory: RetrieveMemory): Promise<InstanceBody[]> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    return instances.map((instance) => {
      const { form, multipart } = chooseInstanceForm(accepted, instance.transferSyntaxUid, instances.length > 1);
      if (form !== 'stored' && !mayBeHeld(instance, memory, copiesOf(instance))) throw tooLargeToRewrite();
      return {
        instance,
        multipart,
        transferSyntaxUid: form === 'stored' ? instance.transferSyntaxUid : ExplicitVRLittleEndian,
        open: () => this.#open(instance, form, memory),
      };
    });
  }

  async #open(instance: KeptInstance, form: InstanceForm, memory: RetrieveMemory): Promise<Readable> {
    if (form === 'stored') return this.kept.open(instance.blobKey, memory.signal);
    const { dataset } = await holdFile(this.kept, instance, memory, copiesOf(instance)).catch((error: unknown) => {
      throw error instanceof TooLargeError ? tooLargeToRewrite() : error;
    });
    await stillAsked(memory);
    const meta = writeFileMeta({
      sopClassUid: dataset.string('SOPClassUID') ?? '',
      sopInstanceUid: dataset.string('SOPInstanceUID') ?? '',
      transferSyntaxUid: ExplicitVRLittleEndian,
      implementationClassUid,
      implementationVersionName,
    });
    return streamOf(meta, writeDataset(asWritten(dataset)));
  }
}

/** As stored and as rewritten, and between them with its bytes swapped. */
const copiesOf = ({ transferSyntaxUid }: KeptInstance): number =>
  transferSyntaxOf(transferSyntaxUid).bigEndian ? 3 : 2;

const tooLargeToRewrite = (): NotAcceptableError =>
  new NotAcceptableError('the instance is too large to be rewritten: ask with transfer-syntax=* for it as it is');
