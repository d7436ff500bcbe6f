import { sql } from 'kysely';

import type { SearchPosition } from '../application/search.js';
import type { Level } from '../domain/keys.js';
import type { Sql } from './search-fields.js';

// UIDs end every order, so that pages neither repeat nor skip a row.
const studyOrder = sql`st.study_date desc nulls last, st.study_instance_uid`;
const seriesOrder = sql`${studyOrder}, se.series_number nulls last, se.series_instance_uid`;

/** The order of a level's rows. */
export const orderOf: Readonly<Record<Level, Sql>> = {
  patient: sql`st.patient_id, st.issuer_of_patient_id, st.study_date desc nulls last, st.study_instance_uid`,
  study: studyOrder,
  series: seriesOrder,
  instance: sql`${seriesOrder}, i.instance_number nulls last, i.sop_instance_uid`,
};

/** The sort keys of a row, under the names that `sectionsAfter` reads them by. */
export const positionColumns: Readonly<Record<Level, Sql>> = {
  patient: sql`st.study_date as at_date`,
  study: sql`st.study_date as at_date`,
  series: sql`st.study_date as at_date, se.series_number as at_series_number`,
  instance: sql`st.study_date as at_date, se.series_number as at_series_number, i.instance_number as at_instance_number`,
};

/** What a row is found again by, and its place in the order. */
export const placeColumns: Readonly<Record<Level, Sql>> = {
  patient: sql`st.study_instance_uid, st.patient_id, st.issuer_of_patient_id, ${positionColumns.patient}`,
  study: sql`st.study_instance_uid, ${positionColumns.study}`,
  series: sql`st.study_instance_uid, se.series_instance_uid, ${positionColumns.series}`,
  instance: sql`st.study_instance_uid, se.series_instance_uid, i.sop_instance_uid, ${positionColumns.instance}`,
};
const studyPlace = sql`page.at_date desc nulls last, page.study_instance_uid`;
const seriesPlace = sql`${studyPlace}, page.at_series_number nulls last, page.series_instance_uid`;
/** The order of a level's rows, of these columns of a page. */
export const placeOrderOf: Readonly<Record<Level, Sql>> = {
  patient: sql`page.patient_id, page.issuer_of_patient_id, ${studyPlace}`,
  study: studyPlace,
  series: seriesPlace,
  instance: sql`${seriesPlace}, page.at_instance_number nulls last, page.sop_instance_uid`,
};

/** Sort keys of the last row of a page. */
export interface At extends SearchPosition {
  readonly patient: string;
  readonly issuer: string;
  readonly date: string | null;
  readonly study: string;
  readonly seriesNumber: number | null;
  readonly series: string;
  readonly instanceNumber: number | null;
  readonly instance: string;
}

/**
 * What comes after a row, as conditions for one query each, in order: what remains of the same series, of the same study,
 * of the same day, then the days before, then studies without a date. One condition with "or" would say the same, and
 * have PostgreSQL read everything before the row again for each page.
 */
export function sectionsAfter(level: Level, at: At): Sql[] {
  if (level === 'patient') return patientSections(at);
  const sections: Sql[] = [];
  if (level === 'instance')
    sections.push(
      sql`st.study_instance_uid = ${at.study} and se.series_instance_uid = ${at.series}
        and ${afterNumbered(sql`i.instance_number`, at.instanceNumber, sql`i.sop_instance_uid`, at.instance)}`,
    );
  if (level !== 'study')
    sections.push(
      sql`st.study_instance_uid = ${at.study}
        and ${afterNumbered(sql`se.series_number`, at.seriesNumber, sql`se.series_instance_uid`, at.series)}`,
    );
  return [...sections, ...dateSections(at.date, at.study)];
}

function dateSections(date: string | null, study: string): Sql[] {
  if (date === null) return [sql`st.study_date is null and st.study_instance_uid > ${study}`];
  return [
    sql`st.study_date = ${date} and st.study_instance_uid > ${study}`,
    sql`st.study_date < ${date}`,
    sql`st.study_date is null`,
  ];
}

function patientSections({ patient, issuer, date, study }: At): Sql[] {
  const same = sql`st.patient_id = ${patient} and st.issuer_of_patient_id = ${issuer}`;
  return [
    ...dateSections(date, study).map((section) => sql`${same} and ${section}`),
    sql`st.patient_id = ${patient} and st.issuer_of_patient_id > ${issuer}`,
    sql`st.patient_id > ${patient}`,
  ];
}

/** What has no number comes last. */
const afterNumbered = (numberColumn: Sql, number: number | null, uidColumn: Sql, uid: string): Sql =>
  number === null
    ? sql`(${numberColumn} is null and ${uidColumn} > ${uid})`
    : sql`(${numberColumn} > ${number} or ${numberColumn} is null or (${numberColumn} = ${number} and ${uidColumn} > ${uid}))`;
