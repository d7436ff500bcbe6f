import { loopTurns } from '@callosum/dicom';

import { normalUri, usableUri } from '../domain/store-bulk-form.js';
import type { RequestHold } from './store-held.js';
import type { WaitingInstance } from './store-waiting.js';

/** One value of one instance. */
export interface Target {
  readonly instance: WaitingInstance;
  readonly path: string;
}

/** Values that bulk data is to come for, by the location that names it. What is known of them counts until it is forgotten. */
export class BulkTargets {
  readonly #targets = new Map<string, Target[]>();
  #heldBytes = 0;

  constructor(private readonly hold: RequestHold) {}

  /** All values that an instance waits for. @throws {UnusableMetadataError} for a location that is too long, or where memory ends */
  async add(instance: WaitingInstance): Promise<void> {
    const locations = await locationsOf(instance);
    if (locations.length === 0) return;
    const heldBytes = bytesOf(locations);
    this.hold.take(heldBytes);
    this.#heldBytes += heldBytes;
    for (const [path, uri] of locations) {
      const targets = this.#targets.get(uri) ?? [];
      targets.push({ instance, path });
      this.#targets.set(uri, targets);
    }
  }

  /** None for a location that is too long: nothing can have it. */
  named(location: string | undefined): readonly Target[] {
    const uri = location === undefined ? undefined : normalUri(location);
    return (uri === undefined ? undefined : this.#targets.get(uri)) ?? [];
  }

  /** After the last part. */
  forget(): void {
    this.#targets.clear();
    this.hold.give(this.#heldBytes);
    this.#heldBytes = 0;
  }
}

/** References that are looked at without a break: a URI takes some microseconds, a long one tens of them. */
const locationsOfTurn = 256;

/** Paths of values with their locations, as they compare equal. @throws {UnusableMetadataError} for one that is too long */
async function locationsOf({ references }: WaitingInstance): Promise<(readonly [string, string])[]> {
  const locations: (readonly [string, string])[] = [];
  for (const [path, uri] of references) {
    locations.push([path, usableUri(uri)]);
    if (locations.length % locationsOfTurn === 0) await loopTurns.next();
  }
  return locations;
}

/** Memory of a location beside its path and URI, and of an instance that has some, beside its text. */
const memoryOf = { location: 256, instance: 1024 };

/** Memory of all locations of an instance. */
const bytesOf = (locations: readonly (readonly [string, string])[]): number =>
  locations.reduce((sum, [path, uri]) => sum + path.length + uri.length + memoryOf.location, memoryOf.instance);
