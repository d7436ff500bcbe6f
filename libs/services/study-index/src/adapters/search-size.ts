import { dictionaryEntry } from '@callosum/dicom';
import { sql } from 'kysely';

import type { SearchQuery } from '../application/search.js';
import { levelOfKey } from '../domain/keys.js';
import type { Sql } from './search-fields.js';

/** JSON of a page, as far as sizes tell; one row may be larger. Four searches read at once. */
export const pageBytesMax = 2_000_000;

/** What PostgreSQL compresses it keeps in a tenth of the JSON or so; most rows of studies and series stay as they are. */
const jsonBytes = (column: Sql): Sql =>
  sql`pg_column_size(${column}) * case when pg_column_compression(${column}) is null then 1 else 10 end`;

const studyBytes = jsonBytes(sql`st.attributes`);
const seriesBytes = sql`${studyBytes} + ${jsonBytes(sql`se.attributes`)}`;

/** Bytes of JSON that are read of a row, of all levels that it has: nothing says how long a text of a study may be. */
export function bytesOf(query: SearchQuery): Sql {
  switch (query.level) {
    case 'patient':
    case 'study':
      return studyBytes;
    case 'series':
      return seriesBytes;
    case 'instance':
      return mayBeLarge(query) ? sql`${seriesBytes} + ${jsonBytes(sql`i.metadata`)}` : seriesBytes;
  }
}

/** Attributes of these are some characters a value (PS3.5 6.2). */
const shortVrs: ReadonlySet<string> = new Set(
  'AE AS AT CS DA DS DT FD FL IS LO PN SH SL SS SV TM UI UL US UV'.split(' '),
);

/** Whether what is asked for of instances may be megabytes of each: all of an enhanced object, a sequence or text of it. */
const mayBeLarge = ({ tags }: SearchQuery): boolean =>
  tags === 'all' ||
  tags.some((tag) => levelOfKey(tag) === 'instance' && !shortVrs.has(dictionaryEntry(tag)?.vr ?? 'UN'));
