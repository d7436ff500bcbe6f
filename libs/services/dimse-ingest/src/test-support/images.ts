import { datasetOf, writeFile } from '@callosum/dicom';

/** A CT image with private attributes. */
export const image = (
  sopInstanceUid: string,
  {
    study = '1.2.3',
    patientId = 'NOBODY-1',
    accession = 'ACC1',
    pixelBytes = 1_000,
    name = 'Test^One',
    sopClass = '2',
  } = {},
): Buffer =>
  Buffer.from(
    writeFile(
      datasetOf(
        {
          SOPClassUID: `1.2.840.10008.5.1.4.1.1.${sopClass}`,
          SOPInstanceUID: sopInstanceUid,
          StudyDate: '20260102',
          StudyTime: '120000',
          AccessionNumber: accession,
          Modality: sopClass === '2' ? 'CT' : 'MR',
          PatientName: name,
          PatientID: patientId,
          StudyInstanceUID: study,
          SeriesInstanceUID: `${study}.1`,
          StudyID: '1',
          SeriesNumber: 1,
          InstanceNumber: 1,
          SamplesPerPixel: 1,
          PhotometricInterpretation: 'MONOCHROME2',
          Rows: pixelBytes / 200,
          Columns: 100,
          BitsAllocated: 16,
          BitsStored: 16,
          HighBit: 15,
          PixelRepresentation: 0,
          '00090010': 'ACME PRIVATE',
          '00091001': Uint8Array.of(1, 2, 3, 254),
          PixelData: new Uint8Array(pixelBytes),
        },
        { '00090010': 'LO', '00091001': 'UN' },
      ),
      { implementationClassUid: '1.2.3' },
    ),
  );
