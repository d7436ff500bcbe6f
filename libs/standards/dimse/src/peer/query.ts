import { type DicomJson, encodeDataset, parseDataset, toDicomJson } from '@callosum/dicom';

import { ContextRefusedError } from '../errors.js';
import type { AcceptedContext } from '../exchange/contexts.js';
import { messageParseLimits } from '../message-limits.js';
import { type GetOptions, ScuAssociation } from '../scu/scu-association.js';
import type { ProposedContext, ScuOptions } from '../scu/scu-options.js';
import type { Answer } from '../services/handler.js';
import type { QueryOptions, RetrieveOptions, RetrieveOutcome } from '../services/request-query.js';

/** SOP classes of the Study Root Query/Retrieve Information Model (PS3.4 C.6.2). */
export const StudyRoot = Object.freeze({
  Find: '1.2.840.10008.5.1.4.1.2.2.1',
  Move: '1.2.840.10008.5.1.4.1.2.2.2',
  Get: '1.2.840.10008.5.1.4.1.2.2.3',
});

/** Explicit VR first: it says what a private key is. */
export const queryContext = (sopClassUid: string): ProposedContext => ({
  abstractSyntaxUid: sopClassUid,
  transferSyntaxUids: ['1.2.840.10008.1.2.1', '1.2.840.10008.1.2'],
});

/**
 * Opens an association for `work` and releases it; what `work` throws aborts it.
 * @throws {PeerUnreachableError} @throws {AssociationRejectedError} @throws {AssociationAbortedError}
 */
export async function withAssociation<T>(
  options: ScuOptions,
  contexts: readonly ProposedContext[],
  work: (association: ScuAssociation) => Promise<T>,
): Promise<T> {
  const association = await ScuAssociation.open(options, contexts);
  try {
    const result = await work(association);
    await association.release();
    return result;
  } catch (error) {
    association.abort();
    throw error;
  }
}

export interface FindDatasetsOptions extends QueryOptions {
  /** Told of a match that cannot be read, which is passed over then. */
  readonly onUnreadable?: (error: unknown) => void;
}

/**
 * C-FIND with a DICOM JSON identifier; its text is sent in Latin 1 where that has all of it, else in UTF-8. Matches are
 * given as they come; ending the iteration early cancels. Returns the final answer: success, a warning or Cancel.
 * @throws {ContextRefusedError} @throws {DimseStatusError} @throws {AssociationAbortedError}
 * @throws {DicomParseError} a match that cannot be read, where nobody is told of it
 */
export async function* findDatasets(
  association: ScuAssociation,
  sopClassUid: string,
  identifier: DicomJson,
  { onUnreadable, ...options }: FindDatasetsOptions = {},
): AsyncGenerator<DicomJson, Answer> {
  const context = contextOf(association, sopClassUid);
  const matches = association.find(context.id, encoded(identifier, context), options);
  try {
    for (;;) {
      const next = await matches.next();
      if (next.done) return next.value;
      let match: DicomJson;
      try {
        match = jsonOf(next.value.identifier, context);
      } catch (error) {
        if (!onUnreadable) throw error;
        onUnreadable(error);
        continue;
      }
      yield match;
    }
  } finally {
    // Cancels where the iteration was ended early; nothing is left to do otherwise.
    await matches.return({ status: 0 });
  }
}

/** C-MOVE; see `ScuAssociation.move`. @throws {ContextRefusedError} */
export function moveDatasets(
  association: ScuAssociation,
  sopClassUid: string,
  destination: string,
  identifier: DicomJson,
  options: RetrieveOptions = {},
): Promise<RetrieveOutcome> {
  const context = contextOf(association, sopClassUid);
  return association.move(context.id, destination, encoded(identifier, context), options);
}

/** C-GET; see `ScuAssociation.get`. @throws {ContextRefusedError} */
export function getDatasets(
  association: ScuAssociation,
  sopClassUid: string,
  identifier: DicomJson,
  options: GetOptions = {},
): Promise<RetrieveOutcome> {
  const context = contextOf(association, sopClassUid);
  return association.get(context.id, encoded(identifier, context), options);
}

function jsonOf(identifier: Buffer, { transferSyntaxUid }: AcceptedContext): DicomJson {
  return toDicomJson(parseDataset(identifier, transferSyntaxUid, { limits: messageParseLimits }).dataset);
}

function contextOf(association: ScuAssociation, sopClassUid: string): AcceptedContext {
  const id = association.contextFor(sopClassUid);
  const context = association.contexts.find((other) => other.id === id);
  if (!context) throw new ContextRefusedError(sopClassUid, 'any transfer syntax', 255);
  return context;
}

function encoded(identifier: DicomJson, { transferSyntaxUid }: AcceptedContext): Buffer {
  // Western text in Latin 1, which every peer reads; other text in UTF-8.
  const { bytes } = encodeDataset(identifier, { transferSyntaxUid, characterSets: ['', 'ISO_IR 100'] });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
