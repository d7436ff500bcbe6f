import type { QueryKey as Key, Tag } from '@callosum/dicom';
import { type RawBuilder, sql } from 'kysely';

import { computed } from '../domain/keys.js';

export type Sql = RawBuilder<unknown>;

/** How a match key is found in the tables. */
export type SearchField = (
  | { readonly type: 'text' | 'date' | 'time' | 'number' | 'texts'; readonly column: Sql }
  /** Folded keys by component group; `elsewhere` says which rows have groups that have no column. */
  | { readonly type: 'name'; readonly groups: readonly Sql[]; readonly elsewhere?: Sql }
  /** What the study's instances have among them. */
  | { readonly type: 'sopClasses' }
) & {
  /** It is part of the text of a study (study-text); `alone` where no index finds what it begins with, or all of it. */
  readonly inText?: 'indexed' | 'alone';
};

/** Referring physicians whose name has an ideographic or phonetic group: an index of their own has them. */
export const referringGroups = '$."00080090".Value[*] ? (exists(@.Ideographic) || exists(@.Phonetic))';

const text = (column: Sql): SearchField => ({ type: 'text', column });
const inText = (column: Sql, how: 'indexed' | 'alone' = 'indexed'): SearchField => ({ ...text(column), inText: how });
const date = (column: Sql): SearchField => ({ type: 'date', column });
const time = (column: Sql): SearchField => ({ type: 'time', column });
const number = (column: Sql): SearchField => ({ type: 'number', column });

/** Studies of the patient; one without a Patient ID is nobody else's. */
export const ofPatient = (what: Sql): Sql => sql`(select ${what} from study p
  where p.patient_id = st.patient_id and p.issuer_of_patient_id = st.issuer_of_patient_id and p.instance_count > 0
    and (st.patient_id <> '' or p.study_instance_uid = st.study_instance_uid))`;

/** Match keys with columns of their own (PS3.18 Table 10.6.1-5 and what PACS clients ask for besides). */
const searchFields: Readonly<Record<Tag, SearchField>> = {
  '0020000D': text(sql`st.study_instance_uid`),
  '00080020': date(sql`st.study_date`),
  '00080030': time(sql`st.study_time_key`),
  '00080050': inText(sql`st.accession_number`),
  [computed.modalitiesInStudy]: { type: 'texts', column: sql`st.modalities` },
  [computed.sopClassesInStudy]: { type: 'sopClasses' },
  [computed.numberOfStudyRelatedSeries]: number(sql`st.series_count`),
  [computed.numberOfStudyRelatedInstances]: number(sql`st.instance_count`),
  [computed.instanceAvailability]: text(sql`'ONLINE'::text`),
  [computed.numberOfPatientRelatedStudies]: number(ofPatient(sql`count(*)`)),
  [computed.numberOfPatientRelatedSeries]: number(ofPatient(sql`sum(p.series_count)`)),
  [computed.numberOfPatientRelatedInstances]: number(ofPatient(sql`sum(p.instance_count)`)),
  '00080090': {
    type: 'name',
    groups: [sql`st.referring_name_key`],
    elsewhere: sql`st.attributes @? ${sql.lit(referringGroups)}`,
  },
  '00081030': inText(sql`st.study_description`, 'alone'),
  '00100010': {
    type: 'name',
    groups: [sql`st.name_key`, sql`st.name_key_ideographic`, sql`st.name_key_phonetic`],
    inText: 'indexed',
  },
  '00100020': inText(sql`st.patient_id`),
  '00100021': text(sql`st.issuer_of_patient_id`),
  '00100030': date(sql`replace(st.patient_birth_date, '.', '')`),
  '00100040': text(sql`st.patient_sex`),
  '00200010': text(sql`st.study_id`),
  '0020000E': text(sql`se.series_instance_uid`),
  '00080060': text(sql`se.modality`),
  '00080021': date(sql`se.series_date`),
  '00080031': time(sql`se.series_time_key`),
  '0008103E': text(sql`se.series_description`),
  '00180015': text(sql`se.body_part_examined`),
  '00200011': number(sql`se.series_number`),
  '00200060': text(sql`se.laterality`),
  '00200052': text(sql`se.frame_of_reference_uid`),
  '00400244': date(sql`se.pps_start_date`),
  [computed.numberOfSeriesRelatedInstances]: number(sql`se.instance_count`),
  '00080018': text(sql`i.sop_instance_uid`),
  '00080016': text(sql`i.sop_class_uid`),
  '00200013': number(sql`i.instance_number`),
};

/** The columns of a key, when it has any. */
export const fieldOf = ({ path }: Key): SearchField | undefined =>
  path.length === 1 ? searchFields[path[0] ?? ''] : undefined;

/** The columns of a time, to compare with those of its date. */
export const timeColumnOf = (tag: Tag): Sql | undefined => {
  const field = searchFields[tag];
  return field?.type === 'time' ? field.column : undefined;
};
