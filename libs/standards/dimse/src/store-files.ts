import { CallosumError } from '@callosum/kernel';

import { AssociationAbortedError, ContextRefusedError, NotPart10Error } from './errors.js';
import { verificationSopClassUid } from './negotiation.js';
import { datasetBytes, type Part10, readPart10 } from './part10.js';
import { ScuAssociation, type ScuResponse } from './scu/scu-association.js';
import type { ProposedContext, ScuOptions } from './scu/scu-options.js';
import { isStored } from './status.js';
import { contextsMax } from './upper-layer/associate.js';
import type { DicomFile, StoreOutcome } from './store-outcome.js';

export interface StoreFilesOptions extends ScuOptions {
  readonly files: readonly DicomFile[];
  readonly onProgress?: (outcome: StoreOutcome, done: number, total: number) => void;
}

/**
 * Sends files over one association, each in the transfer syntax it is in and byte for byte as it is on disk, private
 * attributes too. A file that is no DICOM file, cannot be read any more, or whose presentation context is refused is told
 * in its outcome, and the others go on.
 * @throws {PeerUnreachableError} no connection, @throws {AssociationRejectedError} A-ASSOCIATE-RJ
 * @throws {AssociationAbortedError} the association ended too early; `outcomes` tells what was answered before
 */
export async function storeFiles(options: StoreFilesOptions): Promise<StoreOutcome[]> {
  const { files, onProgress } = options;
  const headers = await readHeaders(files);
  const outcomes: StoreOutcome[] = [];
  const tell = (outcome: StoreOutcome): void => {
    outcomes.push(outcome);
    onProgress?.(outcome, outcomes.length, files.length);
  };
  const pairs = new Map<string, Part10>();
  for (const header of headers) {
    if (!(header instanceof CallosumError)) pairs.set(`${header.sopClassUid} ${header.transferSyntaxUid}`, header);
  }
  if (pairs.size > contextsMax)
    throw new RangeError(`${pairs.size} kinds of objects, ${contextsMax} fit one association`);
  // Nothing to send: no association is opened for it.
  const association = pairs.size > 0 ? await ScuAssociation.open(options, proposals([...pairs.values()])) : undefined;
  try {
    for (const [index, file] of files.entries()) {
      const header = headers[index];
      if (!header || header instanceof CallosumError || !association) tell(notSent(file, header));
      else tell(await storeOne(association, file, header));
    }
    await association?.release();
  } catch (error) {
    association?.abort();
    if (error instanceof AssociationAbortedError) error.outcomes = outcomes;
    throw error;
  }
  return outcomes;
}

/** What is proposed for a C-ECHO: what every peer must take (PS3.5 section 10.1). */
export const echoContext: ProposedContext = {
  abstractSyntaxUid: verificationSopClassUid,
  transferSyntaxUids: ['1.2.840.10008.1.2'],
};

/**
 * C-ECHO. Resolves with the status of the response.
 * @throws {PeerUnreachableError} @throws {AssociationRejectedError} @throws {AssociationAbortedError}
 * @throws {ContextRefusedError} the peer is no Verification provider
 */
export async function echo(options: ScuOptions): Promise<ScuResponse> {
  const association = await ScuAssociation.open(options, [echoContext]);
  try {
    const response = await association.echo(association.contextFor(verificationSopClassUid));
    await association.release();
    return response;
  } catch (error) {
    association.abort();
    throw error;
  }
}

async function readHeaders(files: readonly DicomFile[]): Promise<(Part10 | NotPart10Error)[]> {
  const headers: (Part10 | NotPart10Error)[] = [];
  for (const file of files) {
    headers.push(
      await readPart10(file).catch((error: unknown) => {
        if (error instanceof NotPart10Error) return error;
        throw error;
      }),
    );
  }
  return headers;
}

/** One context for each kind of object: where a context proposes several syntaxes the peer may pick another. */
function proposals(kinds: readonly Part10[]): { abstractSyntaxUid: string; transferSyntaxUids: string[] }[] {
  return kinds.map(({ sopClassUid, transferSyntaxUid }) => ({
    abstractSyntaxUid: sopClassUid,
    transferSyntaxUids: [transferSyntaxUid],
  }));
}

async function storeOne(association: ScuAssociation, file: DicomFile, header: Part10): Promise<StoreOutcome> {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid } = header;
  try {
    const contextId = association.contextFor(sopClassUid, transferSyntaxUid);
    const response = await association.store(contextId, sopClassUid, sopInstanceUid, (chunkBytes) =>
      datasetBytes(file, header, chunkBytes),
    );
    return { file, sopInstanceUid, ...response, stored: isStored(response.status) };
  } catch (error) {
    // Nothing of it was sent: the association goes on with the others.
    if (error instanceof ContextRefusedError || error instanceof NotPart10Error)
      return { file, sopInstanceUid, stored: false, error };
    throw error;
  }
}

function notSent(file: DicomFile, error: Part10 | CallosumError | undefined): StoreOutcome {
  return { file, stored: false, ...(error instanceof CallosumError ? { error } : {}) };
}
