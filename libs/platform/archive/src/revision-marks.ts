import type { ObjectStore } from '@callosum/object-store';

/**
 * The order of several objects of one SOPInstanceUID, kept beside the blobs: an empty object named after revision and
 * blob, "default/revisions/2/2026-11-22/3f/<name>". The times in their keys nearly say it, but transfers overlap and
 * clocks of replicas differ. A first object, which nearly every one is, has no mark and costs no write.
 */
export function revisionKey(blobKey: string, revision: number): string {
  const [site, , ...rest] = blobKey.split('/');
  return [site, 'revisions', revision, ...rest].join('/');
}

/** Revisions above 1 by blob key. One for each correction or conflict there ever was: few. */
export async function revisionMarks(store: ObjectStore, site: string): Promise<ReadonlyMap<string, number>> {
  const marks = new Map<string, number>();
  for await (const { key } of store.list(`${site}/revisions/`)) {
    const [, , number = '', ...rest] = key.split('/');
    const blobKey = [site, 'blobs', ...rest].join('/');
    // One that lost the race for its number was marked again with a higher one.
    marks.set(blobKey, Math.max(Number(number), marks.get(blobKey) ?? 0));
  }
  return marks;
}
