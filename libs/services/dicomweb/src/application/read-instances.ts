import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';

import { implementationClassUid, implementationVersionName, parseFile, writeFile } from '@callosum/dicom';

import { type Accepted, chooseInstanceForm, type InstanceForm } from '../domain/accept.js';
import { NotAcceptableError, NotFoundError } from '../domain/errors.js';
import { asWritten } from '../domain/rewrite.js';
import type { KeptInstance, KeptInstances, Selection } from './ports.js';

export interface InstanceBody {
  readonly instance: KeptInstance;
  readonly transferSyntaxUid: string;
  readonly multipart: boolean;
  open(): Promise<Readable | Uint8Array>;
}

const explicitVrLittleEndian = '1.2.840.10008.1.2.1';

/** An object is rewritten in memory; deflated ones grow. Larger objects are compressed and never rewritten. */
const rewriteBytesMax = 512 * 1024 * 1024;

/** Stored instances as application/dicom (PS3.18 10.4.1.1.1). */
export class ReadInstances {
  constructor(private readonly kept: KeptInstances) {}

  /** @throws {NotFoundError} @throws {NotAcceptableError} when one of them cannot be given as accepted */
  async read(selection: Selection, accepted: readonly Accepted[]): Promise<InstanceBody[]> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    return instances.map((instance) => {
      const { form, multipart } = chooseInstanceForm(accepted, instance.transferSyntaxUid, instances.length > 1);
      if (form !== 'stored' && instance.byteCount > rewriteBytesMax) {
        throw new NotAcceptableError(
          'the instance is too large to be rewritten: ask with transfer-syntax=* for it as it is',
        );
      }
      return {
        instance,
        multipart,
        transferSyntaxUid: form === 'stored' ? instance.transferSyntaxUid : explicitVrLittleEndian,
        open: () => this.#open(instance, form),
      };
    });
  }

  async #open(instance: KeptInstance, form: InstanceForm): Promise<Readable | Uint8Array> {
    const stored = await this.kept.open(instance.blobKey);
    if (form === 'stored') return stored;
    const file = parseFile(await buffer(stored));
    return writeFile(asWritten(file.dataset), { implementationClassUid, implementationVersionName });
  }
}
