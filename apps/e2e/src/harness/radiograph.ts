import { datasetOf, writeFile } from '@callosum/dicom';

/**
 * A digital radiograph of 12 bits: a slope with noise on it.
 * @param side in pixels
 * @param number of which its UIDs are made
 */
export function radiographOf(side: number, number: number): { readonly bytes: Uint8Array; readonly resource: string } {
  const pixels = new Uint16Array(side * side);
  for (let i = 0, state = 7; i < pixels.length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    pixels[i] = ((i % side) + (state >>> 24)) & 0xfff;
  }
  const [study, series, instance] = [1, 2, 3].map((more) => `2.25.${String(number + more)}`);
  const attributes = datasetOf({
    SOPClassUID: '1.2.840.10008.5.1.4.1.1.1.1',
    SOPInstanceUID: instance,
    StudyInstanceUID: study,
    SeriesInstanceUID: series,
    Modality: 'DX',
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    Rows: side,
    Columns: side,
    BitsAllocated: 16,
    BitsStored: 12,
    HighBit: 11,
    PixelRepresentation: 0,
    WindowCenter: 2048,
    WindowWidth: 4096,
  });
  const elements = { ...attributes, '7FE00010': { vr: 'OW', bytes: new Uint8Array(pixels.buffer) } };
  return {
    bytes: writeFile(elements, { implementationClassUid: '1.2.3' }),
    resource: `studies/${study ?? ''}/series/${series ?? ''}/instances/${instance ?? ''}`,
  };
}
