import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { flush } from '../dimse/disk.js';
import type { ObjectSet } from '../dimse/objects.js';
import { HttpClient, stowRequest } from './http-client.js';
import type { DicomwebOptions } from './options.js';
import type { Receiver, ReceiverName } from './receiver.js';
import { startNode } from './receivers/node.js';
import { startOrthanc } from './receivers/orthanc.js';

/** What a part is given. */
export interface Bench {
  readonly options: DicomwebOptions;
  /** Those asked for that are on this machine. */
  readonly receivers: readonly ReceiverName[];
}

/** Prints its tables; what it gives stands in the line of JSON. */
export type Part = (bench: Bench) => Promise<unknown>;

/** Empty. */
export const startReceiver = (name: ReceiverName, { places }: DicomwebOptions): Promise<Receiver> =>
  name === 'node' ? startNode(places) : startOrthanc(places);

/**
 * All of them at once, each with these objects and at rest, for what is read: the one that is not asked does nothing. They end when
 * `work` does.
 */
export async function withLoaded<T>(
  { options, receivers }: Bench,
  objects: ObjectSet,
  work: (running: readonly Receiver[]) => Promise<T>,
): Promise<T> {
  const running: Receiver[] = [];
  try {
    for (const name of receivers) {
      const receiver = await startReceiver(name, options);
      running.push(receiver);
      await storeAll(receiver, objects);
      await receiver.settled();
    }
    await flush(options.places.root);
    return await work(running);
  } finally {
    for (const receiver of running.toReversed()) await receiver.stop();
  }
}

/** Objects of one request, so that neither side holds more than some megabytes. */
const objectsAtOnce = 50;

/** Stores a set by STOW-RS. @throws when not everything is there afterwards */
export async function storeAll(receiver: Receiver, { folders, count }: ObjectSet): Promise<void> {
  const before = await receiver.stored();
  const client = new HttpClient(receiver.base);
  try {
    for (const folder of folders) {
      const paths = readdirSync(folder).map((file) => join(folder, file));
      for (let from = 0; from < paths.length; from += objectsAtOnce) {
        const objects = paths.slice(from, from + objectsAtOnce).map((path) => readFileSync(path));
        await client.ask('/studies', stowRequest(objects));
      }
    }
  } finally {
    client.close();
  }
  const stored = (await receiver.stored()) - before;
  if (stored !== count) throw new Error(`${receiver.name} acknowledged ${count} objects and has ${stored}`);
}
