import { type RawBuilder, sql } from 'kysely';

import { imageTags } from '../domain/image-pixel.js';

const value = (tag: string) => sql`m.metadata #> ${sql.lit(`{${tag},Value,0}`)}`;

/** `imagePixelOf` of the metadata of a row `i`, which is unpacked once and not for each of its values. */
export const imageOfMetadata = sql`(select jsonb_build_object(${sql.join(
  Object.entries(imageTags).flatMap(([name, tag]) => [sql.lit(name), value(tag)]),
)}) from (select i.metadata || '{}'::jsonb as metadata offset 0) as m)`;

/**
 * How the samples of a row `i` lie. An enhanced object has megabytes of metadata, and these stand beside it; a row of the
 * version before, or one that it has corrected since, has them in its metadata alone.
 */
export const imageColumn: RawBuilder<unknown> = sql`case
  when i.metadata_pieces_blob = i.blob_key and i.image_pixel is not null then i.image_pixel else ${imageOfMetadata} end`;
