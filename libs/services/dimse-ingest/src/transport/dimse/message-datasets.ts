import { type DicomDataset, type DicomJson, encodeDataset, parseDataset } from '@callosum/dicom';
import {
  chooseMessageSyntax,
  type ContextAcceptance,
  type ContextProposal,
  messageParseLimits,
  type NormalizedRequest,
} from '@callosum/dimse';

/** Character sets that old modalities read, before Unicode. */
const characterSets: readonly string[] = ['', 'ISO_IR 100'];

/** How a service without pixels takes a presentation context: in the uncompressed transfer syntax we like best. */
export const messageContext = ({ transferSyntaxUids }: ContextProposal): ContextAcceptance => ({
  transferSyntaxUid: chooseMessageSyntax(transferSyntaxUids),
  storage: false,
});

/** The attribute list or information of a request; empty when none was sent. @throws {DicomParseError} */
export const datasetOfRequest = ({ dataset, transferSyntaxUid }: NormalizedRequest): DicomDataset =>
  parseDataset(dataset ?? Buffer.alloc(0), transferSyntaxUid, { limits: messageParseLimits }).dataset;

/**
 * A dataset as a message carries it.
 * @param preferred Specific Character Sets to try first
 */
export function messageBytes(dataset: DicomJson, transferSyntaxUid: string, preferred: readonly string[] = []): Buffer {
  const { bytes } = encodeDataset(dataset, { transferSyntaxUid, characterSets: [...preferred, ...characterSets] });
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A tag as a command set has it: group × 65,536 + element. */
export const tagNumber = (tag: string): number => Number.parseInt(tag, 16);
/** Eight upper-case hex digits. */
export const tagText = (tag: number): string => tag.toString(16).toUpperCase().padStart(8, '0');
