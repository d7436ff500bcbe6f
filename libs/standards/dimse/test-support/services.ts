import type { AcceptedContext, ProposedContext, RequestHandler } from '../src/index.js';
import { ctImageStorage, explicitVrLittleEndian } from './objects.js';

export const studyRootFind = '1.2.840.10008.5.1.4.1.2.2.1';
export const studyRootMove = '1.2.840.10008.5.1.4.1.2.2.2';
export const studyRootGet = '1.2.840.10008.5.1.4.1.2.2.3';
export const storageCommitment = '1.2.840.10008.1.20.1';
export const commitmentInstance = '1.2.840.10008.1.20.1.1';
export const mpps = '1.2.840.10008.3.1.2.3.3';
export const implicitVrLittleEndian = '1.2.840.10008.1.2';

export const proposed = (abstractSyntaxUid: string): ProposedContext => ({
  abstractSyntaxUid,
  transferSyntaxUids: [explicitVrLittleEndian],
});
/** CT Image Storage with us as its provider, for a C-GET. */
export const ctAsProvider: ProposedContext = { ...proposed(ctImageStorage), roles: { scu: false, scp: true } };

/** Identifiers are opaque to the protocol: text tells them apart in tests. */
export const identifier = (text: string): Buffer => Buffer.from(text.length % 2 === 0 ? text : `${text} `);

export async function* once<T>(value: T): AsyncGenerator<T> {
  yield await Promise.resolve(value);
}

/** All items of an iteration, and what it returned. */
export async function drained<T, R>(iterable: AsyncIterator<T, R>): Promise<{ items: T[]; result: R }> {
  const items: T[] = [];
  for (;;) {
    const next = await iterable.next();
    if (next.done) return { items, result: next.value };
    items.push(next.value);
  }
}

export const idOf = (contexts: readonly AcceptedContext[], abstractSyntaxUid: string): number =>
  contexts.find((context) => context.abstractSyntaxUid === abstractSyntaxUid)?.id ?? -1;

/** A C-GET that sends the given objects, and counts as it goes. */
export function getHandler(
  objects: readonly { readonly sopInstanceUid: string; readonly bytes: Buffer }[],
  sopClassUid = ctImageStorage,
): NonNullable<RequestHandler['get']> {
  return async function* (request, sender) {
    const failedSopInstanceUids: string[] = [];
    let completed = 0;
    for (const [index, { sopInstanceUid, bytes }] of objects.entries()) {
      if (request.signal.aborted) {
        const counts = {
          remaining: objects.length - index,
          completed,
          failed: failedSopInstanceUids.length,
          warning: 0,
        };
        return { counts, failedSopInstanceUids };
      }
      const [transferSyntaxUid] = sender.transferSyntaxesFor(sopClassUid);
      const answer = transferSyntaxUid
        ? await sender.store({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset: () => once(bytes) })
        : undefined;
      if (answer?.status === 0) completed++;
      else failedSopInstanceUids.push(sopInstanceUid);
      const failed = failedSopInstanceUids.length;
      yield { remaining: objects.length - index - 1, completed, failed, warning: 0 };
    }
    const counts = { remaining: 0, completed, failed: failedSopInstanceUids.length, warning: 0 };
    return { counts, failedSopInstanceUids };
  };
}
