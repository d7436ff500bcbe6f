import { type DicomJson, type InstanceGeometry, type PersonName, personNameText } from '@callosum/dicom';
import type { DeflatedPiece } from '@callosum/gzip';

import type { IdentityAttributes } from './identity.js';

export type { DicomJson };

/** Image attributes that selection and volumes are made from. */
export type InstanceImage = Omit<InstanceGeometry, 'sopInstanceUid' | 'sopClassUid' | 'instanceNumber'>;

/** Of one frame its fragments, each [offset, byteCount]. */
export type FrameFragments = readonly (readonly [number, number])[];

/** Byte layout of Pixel Data in the blob. */
export interface StoredPixelLayout {
  readonly encapsulated: boolean;
  readonly nativeOffset: number;
  readonly nativeFrameBytes: number;
  /** Of native ones: bytes of the value, which may be fewer than its frames have. Rows of versions before do not say it. */
  readonly nativeByteCount?: number;
  /** Of encapsulated ones. */
  readonly frames: readonly FrameFragments[];
}

/** What the archive knows of an instance; the rest is read from its blob. */
export interface StoredInstance {
  readonly studyInstanceUid: string;
  readonly seriesInstanceUid: string;
  readonly sopInstanceUid: string;
  readonly sopClassUid: string;
  readonly transferSyntaxUid: string;
  readonly blob: { readonly key: string; readonly byteCount: number; readonly sha256: string };
  readonly instanceRevision: number;
  readonly issuedByCallosum: boolean;
  readonly source: string;
  readonly associationId: string;
  readonly storedAt: Date;
}

/** One instance as the index keeps it. */
export interface InstanceRecord extends StoredInstance {
  readonly patient: IdentityAttributes;
  readonly instanceNumber: number | null;
  readonly image: InstanceImage;
  readonly pixelData: StoredPixelLayout | null;
  readonly metadata: DicomJson;
  /** The same as text, deflated. */
  readonly pieces: readonly DeflatedPiece[];
  /** Sequences are left out of it, which would have taken too much memory. */
  readonly isPartial: boolean;
}

/** A fragment of Pixel Data, as an object and as text. */
const fragmentBytes = 128;

/** Bytes of a record as text, about: its metadata, and where the fragments of its frames are, of which a hostile object has millions. */
export function recordBytesOf({ pieces, pixelData }: Pick<InstanceRecord, 'pieces' | 'pixelData'>): number {
  const text = pieces.reduce((sum, { deflated, byteCount }) => sum + deflated.byteLength + byteCount, 0);
  const fragments = pixelData?.frames.reduce((sum, { length }) => sum + 1 + length, 0) ?? 0;
  return text + fragments * fragmentBytes;
}

/** The first value of an attribute as text; '' when absent. A Person Name gives its component groups joined by '='. */
export function jsonText(dataset: DicomJson, tag: string): string {
  const value = dataset[tag]?.Value?.[0];
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  // A value of VR PN is an object of component groups; items of sequences are asked for elsewhere.
  if (typeof value === 'object' && value !== null && dataset[tag]?.vr === 'PN')
    return personNameText(value as PersonName);
  return '';
}

/** The first value of an IS as a whole number that a 32-bit column holds; null otherwise. */
export function jsonInteger(dataset: DicomJson, tag: string): number | null {
  const value = Number(jsonText(dataset, tag) || Number.NaN);
  return Number.isInteger(value) && Math.abs(value) < 2 ** 31 ? value : null;
}
