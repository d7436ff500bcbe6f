import type { DicomJson, DicomJsonElement } from '@callosum/dicom';

/** An attribute as PS3.4 table F.7.2-1 has it: what the modality must give with N-CREATE, and once the step ends. */
export interface AttributeRule {
  readonly keyword: string;
  readonly tag: string;
  /** 1: present with a value; 2: present, perhaps empty. */
  readonly create: 1 | 2;
  /** The same once the step has a final state, where the table asks for more than at N-CREATE. */
  readonly final?: 1;
  /** What is asked of a step that was discontinued, where that is less than of one that was completed. */
  readonly discontinued?: 2;
  /** Whether an N-SET may change it. */
  readonly settable: boolean;
  readonly items?: readonly ItemRule[];
}

export interface ItemRule {
  readonly keyword: string;
  readonly tag: string;
  readonly type: 1 | 2;
}

const rule = (keyword: string, tag: string, create: 1 | 2, more: Partial<AttributeRule> = {}): AttributeRule => ({
  keyword,
  tag,
  create,
  settable: false,
  ...more,
});
const item = (keyword: string, tag: string, type: 1 | 2): ItemRule => ({ keyword, tag, type });

export const tags = {
  scheduledSteps: '00400270',
  studyInstanceUid: '0020000D',
  status: '00400252',
  discontinuationReason: '00400281',
  performedSeries: '00400340',
  seriesInstanceUid: '0020000E',
  referencedImages: '00081140',
  referencedOthers: '00400220',
  referencedSopInstanceUid: '00081155',
  characterSet: '00080005',
} as const;

/** The attributes of table F.7.2-1 that have a requirement; all others are optional. */
export const attributeRules: readonly AttributeRule[] = [
  rule('ScheduledStepAttributesSequence', tags.scheduledSteps, 1, {
    items: [
      item('StudyInstanceUID', tags.studyInstanceUid, 1),
      item('ReferencedStudySequence', '00081110', 2),
      item('AccessionNumber', '00080050', 2),
      item('RequestedProcedureID', '00401001', 2),
      item('RequestedProcedureDescription', '00321060', 2),
      item('ScheduledProcedureStepID', '00400009', 2),
      item('ScheduledProcedureStepDescription', '00400007', 2),
      item('ScheduledProtocolCodeSequence', '00400008', 2),
    ],
  }),
  rule('PatientName', '00100010', 2),
  rule('PatientID', '00100020', 2),
  rule('PatientBirthDate', '00100030', 2),
  rule('PatientSex', '00100040', 2),
  rule('ReferencedPatientSequence', '00081120', 2),
  rule('PerformedProcedureStepID', '00400253', 1),
  rule('PerformedStationAETitle', '00400241', 1),
  rule('PerformedStationName', '00400242', 2),
  rule('PerformedLocation', '00400243', 2),
  rule('PerformedProcedureStepStartDate', '00400244', 1),
  rule('PerformedProcedureStepStartTime', '00400245', 1),
  rule('PerformedProcedureStepStatus', tags.status, 1, { settable: true }),
  rule('PerformedProcedureStepDescription', '00400254', 2, { settable: true }),
  rule('PerformedProcedureTypeDescription', '00400255', 2, { settable: true }),
  rule('ProcedureCodeSequence', '00081032', 2, { settable: true }),
  rule('PerformedProcedureStepEndDate', '00400250', 2, { settable: true, final: 1 }),
  rule('PerformedProcedureStepEndTime', '00400251', 2, { settable: true, final: 1 }),
  rule('Modality', '00080060', 1),
  rule('StudyID', '00200010', 2),
  rule('PerformedProtocolCodeSequence', '00400260', 2, { settable: true }),
  rule('PerformedSeriesSequence', tags.performedSeries, 2, {
    settable: true,
    final: 1,
    // It may have made no series at all: the patient never lay down. Table F.7.2-1 asks for one, modalities give none,
    // and a step that could not end would hold its study back.
    discontinued: 2,
    items: [
      item('PerformingPhysicianName', '00081050', 2),
      item('ProtocolName', '00181030', 1),
      item('OperatorsName', '00081070', 2),
      item('SeriesInstanceUID', tags.seriesInstanceUid, 1),
      item('SeriesDescription', '0008103E', 2),
      item('RetrieveAETitle', '00080054', 2),
      item('ReferencedImageSequence', tags.referencedImages, 2),
      item('ReferencedNonImageCompositeSOPInstanceSequence', tags.referencedOthers, 2),
    ],
  }),
];

/** Optional attributes that no N-SET may change (table F.7.2-1), beside those with a rule. */
const fixedOptional: readonly string[] = [
  '00100021',
  '00100024',
  '00101002',
  '00380010',
  '00380014',
  '00380060',
  '00380062',
  '00380064',
];

/** Attributes that an N-SET must leave as they are. */
export const fixedTags: ReadonlySet<string> = new Set([
  ...attributeRules.filter(({ settable }) => !settable).map(({ tag }) => tag),
  ...fixedOptional,
]);

/** What an attribute list lacks. */
export interface Shortfall {
  /** Top-level tags: an Attribute Identifier List names no items. */
  readonly tags: readonly string[];
  /** Of the first one: keywords from the top, e.g. `PerformedSeriesSequence.ProtocolName`. */
  readonly path: string;
}

/** What is absent, and what is present without a value where one must be, of the rules for this moment. */
export function shortfallsOf(
  attributes: DicomJson,
  moment: 'create' | 'final',
): { readonly missing: Shortfall | undefined; readonly empty: Shortfall | undefined } {
  const missing: [tag: string, path: string][] = [];
  const empty: [tag: string, path: string][] = [];
  const look = (element: DicomJsonElement | undefined, type: 1 | 2, tag: string, path: string): void => {
    if (!element) missing.push([tag, path]);
    else if (type === 1 && isEmpty(element)) empty.push([tag, path]);
  };
  for (const { keyword, tag, create, final, items = [] } of attributeRules) {
    look(attributes[tag], moment === 'final' ? (final ?? create) : create, tag, keyword);
    for (const one of itemsOf(attributes, tag))
      for (const { keyword: name, tag: inner, type } of items) look(one[inner], type, tag, `${keyword}.${name}`);
  }
  return { missing: shortfall(missing), empty: shortfall(empty) };
}

function shortfall(found: readonly (readonly [tag: string, path: string])[]): Shortfall | undefined {
  const [first] = found;
  return first && { tags: [...new Set(found.map(([tag]) => tag))], path: first[1] };
}

export const isEmpty = ({ Value: values, InlineBinary: inline, bytes }: DicomJsonElement): boolean =>
  !inline && !bytes?.length && !(values ?? []).some((value) => value !== null && value !== '');

/** The items of a sequence; none where it is absent or no sequence. */
export function itemsOf(attributes: DicomJson, tag: string): readonly DicomJson[] {
  const element = attributes[tag];
  return element?.vr === 'SQ' ? ((element.Value ?? []) as DicomJson[]) : [];
}

/** The first value as text; '' when absent. */
export function textOf(attributes: DicomJson | undefined, tag: string): string {
  const value = attributes?.[tag]?.Value?.[0];
  return typeof value === 'string' ? value : '';
}
