import { bulkReferencesOf, inTurns, type Part10Parts, type Steps } from '@callosum/dicom';

import type { JsonLimits } from '../domain/store-json-splitter.js';
import type { SopReference } from './ports/intake.js';
import { readDataset, sopReferenceOf, WaitingInstance } from './store-waiting.js';

export interface MetadataLimits {
  readonly json: JsonLimits;
  /** Datasets of one request. */
  readonly instancesMax: number;
  /** Bytes of metadata and bulk data that wait in one request. */
  readonly heldBytesMax: number;
}

/**
 * Datasets of metadata as objects, which are many times their text: of all requests one at a time, while the others hold
 * theirs as text. What is made of it is counted by who keeps it. Others of this process have their turns meanwhile.
 */
export class DatasetTurns {
  #last: Promise<void> = Promise.resolve();

  /** Runs the work when it is its turn. Whatever waits for another request does not belong into it. */
  run<T>(begin: () => Steps<T>): Promise<T> {
    const mine = this.#last.then(() => inTurns(begin()));
    // Not what came of it: that would be held until the next one.
    this.#last = mine.then(ended, ended);
    return mine;
  }
}

const ended = (): void => undefined;

export interface ReadInstance {
  readonly instance: WaitingInstance;
  /** The file of one that waits for nothing. */
  readonly parts: Part10Parts | undefined;
}

/**
 * @param place in the answer
 * @param found gets the name of the object as soon as it is known
 * @throws {CallosumError} of kind `invalid`
 */
export function* readInstance(
  place: number,
  text: readonly Uint8Array[],
  found: { named?: SopReference },
): Steps<ReadInstance> {
  const dataset = yield* readDataset(text);
  const named = sopReferenceOf(dataset);
  if (named) found.named = named;
  const instance = new WaitingInstance(place, text, dataset, yield* bulkReferencesOf(dataset));
  return { instance, parts: instance.isWhole ? yield* instance.file(undefined, dataset) : undefined };
}
