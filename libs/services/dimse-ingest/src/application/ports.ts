import type { Readable } from 'node:stream';

import type { imaging } from '@callosum/contracts';

import type { ApplicationEntity, CallableEntity } from '../domain/application-entity.js';
import type { ProcedureStep } from '../domain/procedure-step.js';

/** What the association and the command say about an object before its bytes come. */
export interface ObjectBegin {
  readonly associationId: string;
  readonly callingAet: string;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
}

/** An object on its way into the archive: one of `commit` and `abort` ends it. */
export interface ObjectWriter {
  /** Resolves when more may be written: the sender is slowed to this. */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Resolves when the object is durable and nothing can lose it any more; only then the sender may be told.
   * Rejects with a CallosumError of kind `unavailable` when disk, database or outbox have no room.
   * @returns what became of it: stored, duplicate, correction…
   */
  commit(uids: ObjectUids): Promise<string>;
  /** Leaves nothing behind. */
  abort(): Promise<void>;
}

export interface ObjectUids {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
}

export interface InstanceArchive {
  begin(object: ObjectBegin): Promise<ObjectWriter>;
}

/** The archive's blobs: PS3.10 files. */
export interface KeptObjects {
  open(blobKey: string, signal?: AbortSignal): Promise<Readable>;
}

/** Writes `imaging.association.released` facts so that they are published once this resolves. */
export interface ReleaseAnnouncer {
  announce(released: readonly imaging.AssociationReleased[]): Promise<void>;
}

/** A step as it is from now on, and what others are told of it. */
export interface StepChange {
  readonly step: ProcedureStep;
  readonly facts: readonly imaging.ProcedureStepChanged[];
}

/** Modality performed procedure steps, by SOP Instance UID. */
export interface ProcedureSteps {
  /**
   * Runs `work` on the step, which nobody else changes meanwhile, and commits what it gives together with the facts. Run
   * again when another request created the step at the same time. What it throws leaves everything as it was.
   * @param correlationId of the facts
   * @returns false when `work` changes nothing
   */
  change(
    sopInstanceUid: string,
    correlationId: string,
    work: (known: ProcedureStep | undefined) => StepChange | undefined,
  ): Promise<boolean>;
  find(sopInstanceUid: string): Promise<ProcedureStep | undefined>;
  /** Forgets steps that nobody changed for this long. @returns how many */
  forget(days: number): Promise<number>;
}

/** The nodes we know, as they are now: they change without a restart. */
export interface ApplicationEntities {
  /** All entries of this title: one title may call from several hosts. */
  named(aet: string): Promise<readonly ApplicationEntity[]>;
  /** The first of this title that can be called. */
  callable(aet: string): Promise<CallableEntity | undefined>;
}

/** Where peers are, as the network knows it. */
export interface Addresses {
  /** @param host an address, a network in CIDR notation, or a DNS name; one that cannot be resolved is nowhere */
  isAt(host: string, remoteAddress: string): Promise<boolean>;
}
