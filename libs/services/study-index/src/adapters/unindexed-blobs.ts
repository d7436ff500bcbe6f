import { type QueryExecutorProvider, sql } from 'kysely';

/** Those of a study's blobs that no row of it was made from, in the order asked. */
export async function unindexedBlobs(
  on: QueryExecutorProvider,
  studyInstanceUid: string,
  blobKeys: readonly string[],
): Promise<string[]> {
  if (blobKeys.length === 0) return [];
  // The study is read once, and hashed: a look for each key would be one through the study for each, keys being no index.
  const { rows } = await sql<{ key: string }>`
    select kept.key from unnest(${blobKeys}::text[]) with ordinality as kept (key, place)
    where kept.key not in (select blob_key from instance where study_instance_uid = ${studyInstanceUid})
    order by kept.place`.execute(on);
  return rows.map(({ key }) => key);
}
