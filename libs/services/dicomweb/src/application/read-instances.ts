import { Readable } from 'node:stream';

import {
  ExplicitVRLittleEndian,
  implementationClassUid,
  implementationVersionName,
  transcode,
} from '@callosum/dicom';

import { type Accepted, chooseInstanceForm, type InstanceForm } from '../domain/accept.js';
import { NotFoundError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances, RetrieveMemory, Selection } from './ports.js';

export interface InstanceBody {
  readonly instance: KeptInstance;
  readonly transferSyntaxUid: string;
  readonly multipart: boolean;
  open(): Promise<Readable>;
}

/** Stored instances as application/dicom (PS3.18 10.4.1.1.1): streamed as they are, or rewritten while they are streamed. */
export class ReadInstances {
  constructor(private readonly kept: KeptInstances) {}

  /** @throws {NotFoundError} @throws {NotAcceptableError} when one of them cannot be given as accepted */
  async read(selection: Selection, accepted: readonly Accepted[], memory: RetrieveMemory): Promise<InstanceBody[]> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    return instances.map((instance) => {
      const { form, multipart } = chooseInstanceForm(accepted, instance.transferSyntaxUid, instances.length > 1);
      return {
        instance,
        multipart,
        transferSyntaxUid: form === 'stored' ? instance.transferSyntaxUid : ExplicitVRLittleEndian,
        open: () => this.#open(instance, form, memory),
      };
    });
  }

  async #open({ blobKey }: KeptInstance, form: InstanceForm, { signal }: RetrieveMemory): Promise<Readable> {
    if (form === 'stored') return this.kept.open(blobKey, signal);
    const source = { open: () => this.kept.open(blobKey, signal) };
    const rewritten = await transcode(source, { to: ExplicitVRLittleEndian, signal });
    return Readable.from(rewritten.file({ implementationClassUid, implementationVersionName }), { objectMode: false });
  }
}
