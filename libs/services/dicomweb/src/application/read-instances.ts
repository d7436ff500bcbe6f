import { Readable } from 'node:stream';

import {
  DicomPixelError,
  DicomTranscodeError,
  ExplicitVRBigEndian,
  implementationClassUid,
  implementationVersionName,
  ImplicitVRLittleEndian,
  isEncapsulated,
  transcode,
  type Transcoding,
} from '@callosum/dicom';

import { type Accepted, type InstanceChoice, instanceChoices, instanceNotAcceptable } from '../domain/accept.js';
import { NotFoundError } from '../domain/errors.js';
import type { KeptInstance, KeptInstances, RetrieveMemory, Selection } from './ports.js';

export interface InstanceBody {
  readonly instance: KeptInstance;
  readonly transferSyntaxUid: string;
  readonly multipart: boolean;
  open(): Promise<Readable>;
}

/** Syntaxes that WADO-RS does not give unless objects are stored in them (PS3.18 8.7.3.5.2). */
const neverMade: ReadonlySet<string> = new Set([ImplicitVRLittleEndian, ExplicitVRBigEndian]);

/** Stored instances as application/dicom (PS3.18 10.4.1.1.1): streamed as they are, or transcoded while they are streamed. */
export class ReadInstances {
  constructor(private readonly kept: KeptInstances) {}

  /** @throws {NotFoundError} @throws {NotAcceptableError} when one of them cannot be given as accepted */
  async read(selection: Selection, accepted: readonly Accepted[], memory: RetrieveMemory): Promise<InstanceBody[]> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    const bodies: InstanceBody[] = [];
    for (const instance of instances) {
      const choices = instanceChoices(accepted, instance.transferSyntaxUid, instances.length > 1);
      bodies.push(await this.#body(instance, choices, memory));
    }
    return bodies;
  }

  async #body(
    instance: KeptInstance,
    choices: readonly InstanceChoice[],
    memory: RetrieveMemory,
  ): Promise<InstanceBody> {
    for (const { transferSyntaxUid, multipart } of choices) {
      const open = await this.#opener(instance, transferSyntaxUid, memory);
      if (open) return { instance, multipart, transferSyntaxUid, open };
    }
    throw instanceNotAcceptable(instance.transferSyntaxUid);
  }

  /** Undefined when the instance cannot be had in this syntax without loss. */
  async #opener(
    { blobKey, transferSyntaxUid: stored }: KeptInstance,
    asked: string,
    { signal }: RetrieveMemory,
  ): Promise<InstanceBody['open'] | undefined> {
    const open = (): Promise<Readable> => this.kept.open(blobKey, signal);
    if (asked === stored) return open;
    if (neverMade.has(asked)) return undefined;
    const begin = (): Promise<Transcoding> => transcode({ open }, { to: asked, signal });
    // Between uncompressed syntaxes every object passes: none of them is read before its turn.
    if (!isEncapsulated(stored) && !isEncapsulated(asked)) return async () => fileOf(await begin());
    try {
      const transcoding = await begin();
      return () => Promise.resolve(fileOf(transcoding));
    } catch (error) {
      if (error instanceof DicomTranscodeError || error instanceof DicomPixelError) return undefined;
      throw error;
    }
  }
}

const fileOf = (transcoding: Transcoding): Readable =>
  Readable.from(transcoding.file({ implementationClassUid, implementationVersionName }), { objectMode: false });
