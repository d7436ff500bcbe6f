import { type RawBuilder, sql } from 'kysely';

/** How a match key is found in the tables; a name matches when one of its component groups does. */
export interface SearchField {
  readonly columns: readonly RawBuilder<unknown>[];
  readonly isArray?: boolean;
}

const one = (column: RawBuilder<unknown>): SearchField => ({ columns: [column] });

/** Match keys with columns of their own (PS3.18 Table 10.6.1-5 and what PACS clients ask for besides). */
export const searchFields: Readonly<Record<string, SearchField>> = {
  '0020000D': one(sql`st.study_instance_uid`),
  '00080020': one(sql`st.study_date`),
  '00080030': one(sql`st.study_time_key`),
  '00080050': one(sql`st.accession_number`),
  '00080061': { columns: [sql`st.modalities`], isArray: true },
  '00080090': one(sql`st.referring_name_key`),
  '00081030': one(sql`st.study_description`),
  '00100010': { columns: [sql`st.name_key`, sql`st.name_key_ideographic`, sql`st.name_key_phonetic`] },
  '00100020': one(sql`st.patient_id`),
  '00100021': one(sql`st.issuer_of_patient_id`),
  '00100030': one(sql`st.patient_birth_date`),
  '00100040': one(sql`st.patient_sex`),
  '00200010': one(sql`st.study_id`),
  '0020000E': one(sql`se.series_instance_uid`),
  '00080060': one(sql`se.modality`),
  '00080021': one(sql`se.series_date`),
  '00080031': one(sql`se.series_time_key`),
  '0008103E': one(sql`se.series_description`),
  '00180015': one(sql`se.body_part_examined`),
  '00200011': one(sql`se.series_number`),
  '00400244': one(sql`se.pps_start_date`),
  '00080018': one(sql`i.sop_instance_uid`),
  '00080016': one(sql`i.sop_class_uid`),
  '00200013': one(sql`i.instance_number`),
};
