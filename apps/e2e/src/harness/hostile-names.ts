import { datasetOf, writeFile } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';

/**
 * Text that a page runs when it takes it for markup: it calls `__ran`, or asks for "/ran-…", or makes an element with that id. An equals
 * sign parts the groups of a name (PS3.5 6.2), so names have none.
 */
const image = (where: string): string => `<img src=/ran-${where} onerror="__ran('${where}')">`;
const script = (where: string): string => `<script>__ran('${where}')</script>`;
const link = (where: string): string => `<a href="javascript:__ran('${where}')">${where}</a>`;

const uids = { StudyInstanceUID: '2.25.6661', PatientID: image('id') };

/** An image, a report and two documents of one study, with markup wherever a person may write and viewers show it. */
export function hostileStudy(): { readonly study: string; readonly objects: readonly Uint8Array[] } {
  const common = {
    ...uids,
    PatientName: `HOSTILE ${script('name')}^${script('given')}`,
    StudyDescription: image('study'),
    AccessionNumber: '"><b id=ran>',
    StudyDate: '20260101',
    StudyTime: '120000',
  };
  const ct = tinyCt({
    ...common,
    SeriesInstanceUID: '2.25.6662',
    SOPInstanceUID: '2.25.6663',
    SeriesDescription: script('series'),
    Rows: 64,
    Columns: 64,
  });
  const named = (meaning: string) => [{ CodeValue: '121060', CodingSchemeDesignator: 'DCM', CodeMeaning: meaning }];
  const text = (TextValue: string) => ({
    RelationshipType: 'CONTAINS',
    ValueType: 'TEXT',
    ConceptNameCodeSequence: named(image('concept')),
    TextValue,
  });
  const report = writeFile(
    datasetOf({
      ...common,
      SOPClassUID: '1.2.840.10008.5.1.4.1.1.88.11',
      SOPInstanceUID: '2.25.6665',
      SeriesInstanceUID: '2.25.6664',
      Modality: 'SR',
      SeriesNumber: 2,
      InstanceNumber: 1,
      SeriesDescription: link('report'),
      PatientBirthDate: '19700101',
      PatientSex: 'O',
      ReferringPhysicianName: '',
      StudyID: '1',
      Manufacturer: '',
      CompletionFlag: 'COMPLETE',
      VerificationFlag: 'UNVERIFIED',
      ContentDate: '20260101',
      ContentTime: '120000',
      ReferencedPerformedProcedureStepSequence: [],
      PerformedProcedureCodeSequence: [],
      ValueType: 'CONTAINER',
      ContinuityOfContent: 'SEPARATE',
      ConceptNameCodeSequence: named(script('title')),
      ContentSequence: [text(`Findings ${image('text')}${script('text')}`), text(`More ${link('text')}`)],
    }),
    { implementationClassUid: '2.25.6666', implementationVersionName: 'HOSTILE' },
  );
  const page = (n: number, MIMETypeOfEncapsulatedDocument: string): Uint8Array =>
    writeFile(
      datasetOf({
        ...common,
        SpecificCharacterSet: 'ISO_IR 192',
        SOPClassUID: '1.2.840.10008.5.1.4.1.1.104.1',
        SOPInstanceUID: `2.25.6667${n}`,
        SeriesInstanceUID: `2.25.6668${n}`,
        Modality: 'DOC',
        SeriesNumber: 10 + n,
        InstanceNumber: 1,
        SeriesDescription: `Page ${n}`,
        ConversionType: 'WSD',
        BurnedInAnnotation: 'NO',
        DocumentTitle: script('document'),
        ConceptNameCodeSequence: [],
        MIMETypeOfEncapsulatedDocument,
        // Long enough to be bulk data, and to be taken for markup by who looks at its beginning.
        EncapsulatedDocument: Buffer.from(`<!doctype html><html><body>${script(`page-${n}`)}${' '.repeat(10_001)}`),
      }),
      { implementationClassUid: '2.25.6666', implementationVersionName: 'HOSTILE' },
    );
  // The second type is none that a page can have: a browser is left to guess.
  const objects = [ct.bytes, report, page(1, 'text/html'), page(2, 'text/htmlé')];
  return { study: uids.StudyInstanceUID, objects };
}
