import { buffer } from 'node:stream/consumers';

import { ObjectExistsError, type ObjectStore } from '@callosum/object-store';
import { z } from 'zod';

const instance = z.object({ seriesInstanceUid: z.string(), sopInstanceUid: z.string() });

/** A tombstone as it lies beside the blobs, durable before its row: a ledger made again from the blobs obeys it (rule 5). */
const markSchema = z.object({
  tombstoneId: z.string(),
  /** As it was meant to be; a higher one where others came in between. */
  sequence: z.number(),
  studyInstanceUid: z.string(),
  effect: z.enum(['hidden', 'restored', 'held', 'released']),
  reason: z.enum(['person', 'retention', 'rejection-note', 'result-withdrawn', 'received-again']),
  code: z.object({ value: z.string(), scheme: z.string() }).optional(),
  actor: z.string(),
  /** Obeyed once for each cause. */
  cause: z.string().optional(),
  /** When the revision of a note that it stands on was stored. Marks of before do not say it. */
  revisedAt: z.string().optional(),
  instances: z.array(instance),
  /** Of what is taken back: instances that stay hidden, since others hide them too. The version before passes over it. */
  remaining: z.array(instance).optional(),
  admitsAgain: z.boolean(),
  eraseAt: z.string().nullable(),
  recordedAt: z.string(),
});
export type TombstoneMark = z.output<typeof markSchema>;
export type WithheldInstance = z.output<typeof instance>;

const timeChars = 9;
const prefix = (site: string): string => `${site}/tombstones/`;

/** Names sort by sequence, which is a time. */
const sequenceKey = (site: string, sequence: number): string =>
  `${prefix(site)}${Math.max(0, sequence).toString(36).padStart(timeChars, '0')}`;
const keyOf = (site: string, mark: TombstoneMark): string => `${sequenceKey(site, mark.sequence)}.${mark.tombstoneId}`;

export async function putMark(store: ObjectStore, site: string, mark: TombstoneMark): Promise<void> {
  try {
    await store.put(keyOf(site, mark), once(Buffer.from(JSON.stringify(mark))));
  } catch (error) {
    if (!(error instanceof ObjectExistsError)) throw error;
  }
}

export const deleteMark = (store: ObjectStore, site: string, mark: TombstoneMark): Promise<void> =>
  store.delete(keyOf(site, mark));

/** Keys of all marks from a sequence on with what is in them, the oldest first. Those before it cost nothing. */
export async function* listMarks(
  store: ObjectStore,
  site: string,
  from: number,
): AsyncGenerator<{ key: string; id: string; sequence: number }> {
  for await (const { key } of store.list(prefix(site), sequenceKey(site, from))) {
    const name = key.slice(prefix(site).length);
    const [sequence, id] = [Number.parseInt(name.slice(0, timeChars), 36), name.slice(timeChars + 1)];
    if (id !== '' && Number.isSafeInteger(sequence)) yield { key, id, sequence };
  }
}

/** Undefined for what is none. */
export async function readMark(store: ObjectStore, key: string): Promise<TombstoneMark | undefined> {
  const bytes = await buffer(await store.get(key));
  try {
    return markSchema.parse(JSON.parse(bytes.toString()));
  } catch {
    return undefined;
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield bytes;
}
