import { Readable } from 'node:stream';

import { type Attributes, type DicomJson, datasetOf, transcode, writeFile } from '@callosum/dicom';
import {
  type Answer,
  AssociationAbortedError,
  type DatasetSource,
  type OutgoingObject,
  type StoreOperation,
  storeOver,
  type SubOperationSender,
} from '@callosum/dimse';

import type { Destinations } from '../application/destination-ports.js';
import type { KeptObjects } from '../application/ports.js';
import type {
  CurrentInstances,
  IndexMatch,
  IndexSearch,
  LocatedInstance,
  QueryIndex,
  StudyPart,
} from '../application/query-ports.js';

// For this package's own specs: an index and an archive in memory.

export const implementation = { implementationClassUid: '1.2.3' };
export const secondaryCapture = '1.2.840.10008.5.1.4.1.1.7';
export const explicitLe = '1.2.840.10008.1.2.1';
export const h264 = '1.2.840.10008.1.2.4.102';

/** Answers as it was told to. */
export class MemoryIndex implements QueryIndex, CurrentInstances {
  readonly searches: IndexSearch[] = [];
  readonly located: StudyPart[] = [];
  /** Matches of searches, by default none. */
  answer: (search: IndexSearch, signal: AbortSignal) => AsyncIterable<IndexMatch> = () => matches();
  instancesOfStudy: Readonly<Record<string, readonly LocatedInstance[]>> = {};
  /** Instances that are hidden since, and what others are since. */
  readonly hidden = new Set<string>();
  readonly corrected = new Map<string, LocatedInstance>();
  /** Numbers of instances that the archive was asked for again. */
  readonly askedAgain: number[] = [];

  search(search: IndexSearch, signal: AbortSignal): AsyncIterable<IndexMatch> {
    this.searches.push(search);
    return this.answer(search, signal);
  }

  now(studyInstanceUid: string, sopInstanceUids: readonly string[]): Promise<LocatedInstance[]> {
    this.askedAgain.push(sopInstanceUids.length);
    const shown = (this.instancesOfStudy[studyInstanceUid] ?? []).filter(
      ({ sopInstanceUid: uid }) => sopInstanceUids.includes(uid) && !this.hidden.has(uid),
    );
    return Promise.resolve(shown.map((one) => this.corrected.get(one.sopInstanceUid) ?? one));
  }

  async *instances(part: StudyPart): AsyncGenerator<LocatedInstance> {
    this.located.push(part);
    await Promise.resolve();
    for (const instance of this.instancesOfStudy[part.studyInstanceUid] ?? []) {
      const isWanted =
        (part.seriesInstanceUid ?? instance.seriesInstanceUid) === instance.seriesInstanceUid &&
        (part.sopInstanceUid ?? instance.sopInstanceUid) === instance.sopInstanceUid;
      if (isWanted) yield instance;
    }
  }
}

export async function* matches(...datasets: readonly DicomJson[]): AsyncGenerator<IndexMatch> {
  for (const dataset of datasets) yield await Promise.resolve({ dataset, unsupportedKeys: [] });
}

export class MemoryObjects implements KeptObjects {
  readonly files = new Map<string, Uint8Array>();
  /** The last stream of each. */
  readonly opened = new Map<string, Readable>();
  /** The next stream of these ends with an error in the middle. */
  readonly cutOnce = new Set<string>();

  open(blobKey: string): Promise<Readable> {
    const file = this.files.get(blobKey);
    if (!file) return Promise.reject(new Error(`no blob ${blobKey}`));
    const stream = Readable.from(this.cutOnce.delete(blobKey) ? cut(file) : chunksOf(file));
    this.opened.set(blobKey, stream);
    return Promise.resolve(stream);
  }
}

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield await Promise.resolve(bytes.subarray(at, at + 65_536));
}

async function* cut(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* chunksOf(bytes.subarray(0, bytes.length / 2));
  throw new Error('the store cut it');
}

export interface ImageOptions {
  readonly rows?: number;
  readonly frames?: number;
  readonly sopClassUid?: string;
  readonly more?: Attributes;
}

/** A native image; frames differ. */
export function image(sopInstanceUid: string, { rows = 8, frames = 1, sopClassUid, more }: ImageOptions = {}): Buffer {
  const pixels = Buffer.alloc(rows * rows * 2 * frames);
  for (let frame = 0; frame < frames; frame++) pixels.fill(frame + 1, rows * rows * 2 * frame);
  const attributes: Attributes = {
    SOPClassUID: sopClassUid ?? secondaryCapture,
    SOPInstanceUID: sopInstanceUid,
    StudyInstanceUID: '1.2',
    SeriesInstanceUID: '1.2.1',
    PatientID: 'SECRET-ID',
    NumberOfFrames: frames,
    Rows: rows,
    Columns: rows,
    SamplesPerPixel: 1,
    PhotometricInterpretation: 'MONOCHROME2',
    BitsAllocated: 16,
    BitsStored: 16,
    HighBit: 15,
    PixelRepresentation: 0,
    PixelData: pixels,
    ...more,
  };
  return Buffer.from(writeFile(datasetOf(attributes, { PixelData: 'OW' }), implementation));
}

/** An object of the kind, with pixels that nobody here decodes. */
export function video(sopInstanceUid: string): Buffer {
  const dataset = datasetOf({ SOPClassUID: secondaryCapture, SOPInstanceUID: sopInstanceUid, Rows: 8, Columns: 8 });
  dataset['7FE00010'] = { vr: 'OB', fragments: [new Uint8Array(0), new Uint8Array(100)] };
  return Buffer.from(writeFile(dataset, { ...implementation, transferSyntaxUid: h264 }));
}

/** The file in another transfer syntax. */
export async function inSyntax(file: Uint8Array, to: string): Promise<Buffer> {
  const transcoding = await transcode({ open: () => chunksOf(file) }, { to });
  const parts: Uint8Array[] = [];
  for await (const part of transcoding.file(implementation)) parts.push(part);
  return Buffer.concat(parts);
}

/** Where an object of `image` lies, under its own UID. */
export const at = (sopInstanceUid: string, transferSyntaxUid = explicitLe): LocatedInstance => ({
  studyInstanceUid: '1.2',
  seriesInstanceUid: '1.2.1',
  sopInstanceUid,
  sopClassUid: secondaryCapture,
  transferSyntaxUid,
  blobKey: sopInstanceUid,
});

export async function bytesOf(source: DatasetSource): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source(65_536)) parts.push(part);
  return Buffer.concat(parts);
}

/** A destination in memory: what it took, how often it was opened. */
export class MemoryDestination implements Pick<Destinations, 'open'> {
  readonly stored: { sopInstanceUid: string; transferSyntaxUid: string; bytes: Buffer }[] = [];
  opened = 0;
  released = 0;
  takes: readonly string[] = [explicitLe];
  /** Of a SOP class; `takes` by default. */
  takesOf: (sopClassUid: string) => readonly string[] = () => this.takes;
  /** What becomes of an object; success when undefined. */
  answer: (object: StoreOperation) => Promise<Answer | undefined> | Answer | undefined = () => undefined;
  away: Error | undefined;

  open(): ReturnType<Destinations['open']> {
    return new MemoryPeer(this);
  }

  /** As of an association that is there. */
  get sender(): SubOperationSender {
    return {
      transferSyntaxesFor: (sopClassUid) => this.takesOf(sopClassUid),
      store: (object) => this.#store(object),
    };
  }

  async #store(object: StoreOperation): Promise<Answer> {
    const bytes = await bytesOf(object.dataset);
    const answer = await this.answer(object);
    if (answer) return answer;
    this.stored.push({ sopInstanceUid: object.sopInstanceUid, transferSyntaxUid: object.transferSyntaxUid, bytes });
    return { status: 0 };
  }
}

/** Opens an association when it has none; an abort takes it away. */
class MemoryPeer {
  isOpen = false;

  constructor(private readonly destination: MemoryDestination) {}

  async store(object: OutgoingObject): Promise<Answer & { transferSyntaxUid: string }> {
    const { destination } = this;
    if (!this.isOpen) {
      destination.opened++;
      if (destination.away) throw destination.away;
      this.isOpen = true;
    }
    try {
      const { transferSyntaxUid } = object;
      return { ...(await storeOver(destination.sender, object)), transferSyntaxUid };
    } catch (error) {
      if (error instanceof AssociationAbortedError) this.isOpen = false;
      throw error;
    }
  }

  close(): Promise<void> {
    if (this.isOpen) this.destination.released++;
    this.isOpen = false;
    return Promise.resolve();
  }
}

export const aborted = (): AssociationAbortedError => new AssociationAbortedError('aborted by the peer');
