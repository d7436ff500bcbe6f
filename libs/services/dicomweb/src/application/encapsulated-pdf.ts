import type { DicomDataset, ParsedHeader, RangeReader } from '@callosum/dicom';

import { NotRenderableError } from '../domain/errors/rendering.js';
import { pdf } from '../domain/picture-choices.js';
import type { ByteRange } from './ports/archive.js';

/** Before this a PDF has its header (ISO 32000-1 H.3, implementation note 13). */
const pdfHeaderBytes = 1024;

/** True where an object says that a PDF is in it (PS3.3 A.45.1). */
export const saysPdf = ({ dataset }: Pick<ParsedHeader, 'dataset'>): boolean =>
  dataset.string('MIMETypeOfEncapsulatedDocument')?.toLowerCase() === pdf;

/**
 * Where the document lies in the blob. What only says it is a PDF is none: it would be shown as whatever it is.
 * @throws {NotRenderableError}
 */
export async function pdfIn({ dataset, transferSyntax }: ParsedHeader, read: RangeReader): Promise<ByteRange> {
  const element = dataset.element('EncapsulatedDocument');
  if (!element || transferSyntax.deflated)
    throw new NotRenderableError('the document cannot be read out of the object');
  const { offset, byteCount } = element.range;
  const length = documentBytes(dataset, byteCount);
  const head = Buffer.from(await read(offset, Math.min(length, pdfHeaderBytes)));
  if (!head.includes('%PDF-')) throw new NotRenderableError('the document in the object is no PDF');
  return { offset, length };
}

/** Without the padding, where the object says how long the document is (0042,0015). */
function documentBytes(dataset: DicomDataset, valueBytes: number): number {
  const stated = dataset.number('EncapsulatedDocumentLength');
  return stated !== undefined && stated > 0 && stated <= valueBytes ? stated : valueBytes;
}
