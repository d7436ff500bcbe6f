import type { Readable } from 'node:stream';

import {
  DicomParseError,
  DicomPixelError,
  DicomTranscodeError,
  ExplicitVRLittleEndian,
  implementationClassUid,
  implementationVersionName,
  isDecoded,
  isEncapsulated,
  transcode,
  type Transcoding,
} from '@callosum/dicom';
import { CallosumError } from '@callosum/kernel';

import {
  type Accepted,
  type InstanceChoice,
  instanceChoices,
  instanceNotAcceptable,
  takesPlainBesides,
} from '../domain/accept.js';
import { NotFoundError } from '../domain/errors/door.js';
import { BrokenObjectError } from '../domain/errors/retrieve.js';
import type { BytePart } from '../domain/range.js';
import { begun } from './begun.js';
import type { KeptInstance, KeptInstances, Selection } from './ports/archive.js';
import type { RetrieveMemory } from './ports/memory.js';

/** An instance, and the forms it may leave in. */
export interface WantedInstance {
  readonly instance: KeptInstance;
  /** Best first, at least one. */
  readonly choices: readonly InstanceChoice[];
  /** What the compressed forms cannot hold leaves uncompressed, though only those are accepted. */
  readonly isPlainBesides: boolean;
}

export interface MadeInstance extends WantedInstance {
  /** Its body as its header says it, once. @throws {NotAcceptableError} when it cannot be given as accepted */
  make(): Promise<InstanceBody>;
}

export interface InstanceBody {
  readonly instance: KeptInstance;
  readonly transferSyntaxUid: string;
  readonly multipart: boolean;
  /** In a form that is accepted; or uncompressed, for it has no pixels, or those that the compressed forms cannot hold. */
  readonly given: 'as-accepted' | 'without-pixels' | 'unheld';
  /** Of what leaves as it is stored. */
  readonly byteCount?: number;
  /**
   * Only of one whose frames are worked on, and that has not begun. At its turn, since the memory of its frames is held from
   * here on, its first frame is made: what leaves is this body, or the object as it is stored where its code stream turns
   * out to be broken and that is accepted too.
   * @throws {MemoryTakenError} {RetrieveEndedError} {NotAcceptableError} {BrokenObjectError} DicomCodecsBusyError
   */
  begin?(): Promise<InstanceBody>;
  /**
   * Once, of one that has begun.
   * @param part of what leaves as it is stored
   * @throws {RetrieveEndedError}
   */
  open(part?: BytePart): Promise<Readable>;
}

/** Decoded frames of one answer that are worked on at the same time: three of a breast tomosynthesis, and any CT. */
const framesInWorkBytesMax = 32 * 1024 * 1024;
/** Objects of one answer that are looked at before it begins, and at once: a store takes its time for each. */
const lookedAtMax = 64;
const lookedAtOnce = 8;
/** Compressed pixels of as many bytes may be more than 4 GiB once decoded, which no uncompressed object can have. */
const largeBytesMin = 32 * 1024 * 1024;

/** Stored instances as application/dicom (PS3.18 10.4.1.1.1): streamed as they are, or transcoded while they are streamed. */
export class ReadInstances {
  constructor(private readonly kept: KeptInstances) {}

  /**
   * What there is, and the forms that are accepted of each. Nothing is read.
   * @throws {NotFoundError} @throws {NotAcceptableError} when of one of them no form is accepted
   */
  async wanted(selection: Selection, accepted: readonly Accepted[]): Promise<WantedInstance[]> {
    const instances = await this.kept.locate(selection);
    if (instances.length === 0) throw new NotFoundError('the resource');
    // Only an instance by its own path is also given without multipart (10.4.4).
    const isOne = selection.sopInstanceUid !== undefined;
    const ofSyntax = new Map<string, Omit<WantedInstance, 'instance'>>();
    return instances.map((instance) => {
      const { transferSyntaxUid: stored } = instance;
      let forms = ofSyntax.get(stored);
      if (!forms) {
        const choices = instanceChoices(accepted, stored, !isOne);
        if (choices.length === 0) throw instanceNotAcceptable(instance);
        forms = { choices, isPlainBesides: !isOne && takesPlainBesides(accepted, choices) };
        ofSyntax.set(stored, forms);
      }
      return { instance, ...forms };
    });
  }

  /**
   * Bodies in the order of the instances, each made when it is asked for. The first one is begun, so that what cannot be had
   * now has a status. Some of those that have to be encoded are tried, since only their image attributes say whether they can
   * be: what is refused then is refused before the answer begins. Nothing but the verdict is kept of them. Of those that the
   * forms accepted cannot hold any number is looked at, until one is found that is given as accepted.
   * @throws {NotAcceptableError} when one of them cannot be given as accepted, or all that have pixels are given otherwise
   */
  async bodies(wanted: readonly WantedInstance[], memory: RetrieveMemory): Promise<readonly MadeInstance[]> {
    const held = new FramesHeld(memory);
    const [one, ...others] = wanted;
    const last = wanted.length - 1;
    const looked = one && (await this.#body(one, memory, { held, isLast: last === 0 }));
    const first = looked?.begin ? await looked.begin() : looked;
    const doubtful = others.filter((other) => !isSure(other));
    const seen = first ? [first] : [];
    const isUnheld = (body: InstanceBody): boolean => body.given === 'unheld';
    const isNoneAsAccepted = (): boolean =>
      doubtful.length === others.length && seen.some(isUnheld) && seen.every(({ given }) => given !== 'as-accepted');
    for (let at = 0; at < doubtful.length && (at < lookedAtMax || isNoneAsAccepted()); at += lookedAtOnce) {
      const some = doubtful.slice(at, at + lookedAtOnce);
      seen.push(...(await Promise.all(some.map((other) => this.#body(other, memory, { held })))));
    }
    const unheld = seen.find(isUnheld);
    if (unheld && isNoneAsAccepted()) throw instanceNotAcceptable(unheld.instance);
    return wanted.map((each, at) => ({
      ...each,
      make: () =>
        first && at === 0 ? Promise.resolve(first) : this.#body(each, memory, { held, isLast: at === last }),
    }));
  }

  /** In the first of its forms that it can be had in, as far as its header says. @throws {NotAcceptableError} {BrokenObjectError} */
  async #body(wanted: WantedInstance, memory: RetrieveMemory, place: Place): Promise<InstanceBody> {
    const { instance, choices, isPlainBesides } = wanted;
    const storedAt = choices.findIndex(({ transferSyntaxUid }) => transferSyntaxUid === instance.transferSyntaxUid);
    const before = storedAt < 0 ? choices : choices.slice(0, storedAt);
    const to = [
      ...before.map(({ transferSyntaxUid }) => transferSyntaxUid),
      ...(isPlainBesides && storedAt < 0 ? [ExplicitVRLittleEndian] : []),
    ];
    const stored = choices[storedAt];
    const asStored = stored && this.#asStored(instance, stored, memory);
    if (asStored && to.length === 0) return asStored;
    /** What leaves where it cannot be had in the syntaxes before. */
    const instead = (error: unknown): InstanceBody => {
      if (asStored && isUnreadable(error)) return asStored;
      throw isRefusal(error) ? instanceNotAcceptable(instance) : translated(error, instance);
    };
    let made: Transcoded;
    try {
      made = await this.#transcoded(instance, to, memory, place);
    } catch (error) {
      return instead(error);
    }
    const { transferSyntaxUid, hasPixels, frames, open } = made;
    const chosen = before.find((choice) => choice.transferSyntaxUid === transferSyntaxUid);
    if (!chosen && hasPixels && !made.isUnheld) throw instanceNotAcceptable(instance);
    const given = chosen ? 'as-accepted' : hasPixels ? 'unheld' : 'without-pixels';
    const body: InstanceBody = { instance, transferSyntaxUid, multipart: chosen?.multipart ?? true, given, open };
    if (frames === 0) return body;
    const begin = async (): Promise<InstanceBody> => {
      try {
        const begun = await open();
        return { ...body, open: () => Promise.resolve(begun) };
      } catch (error) {
        const other = instead(error);
        // What is copied needs none of it; where another object follows, its frames may.
        if (place.isLast === true) memory.keep(0);
        return other;
      }
    };
    return { ...body, begin };
  }

  #asStored(
    instance: KeptInstance,
    { transferSyntaxUid, multipart }: InstanceChoice,
    { signal }: RetrieveMemory,
  ): InstanceBody {
    const { blobKey, byteCount } = instance;
    const open = (part?: BytePart): Promise<Readable> =>
      part
        ? this.kept.open(blobKey, signal, { offset: part.first, length: part.last + 1 - part.first })
        : this.kept.open(blobKey, signal);
    return { instance, transferSyntaxUid, multipart, given: 'as-accepted', byteCount, open };
  }

  /** @throws DicomTranscodeError, DicomPixelError, DicomParseError as `transcode` and its streams */
  async #transcoded(
    instance: KeptInstance,
    to: readonly string[],
    memory: RetrieveMemory,
    { held, isLast = false }: Place,
  ): Promise<Transcoded> {
    const { signal } = memory;
    let framesMade = 0;
    const onFrame = (): void => {
      // All that is left of the work, while a client takes its time; where another object follows, its work comes then.
      if (++framesMade === transcoding.frames && isLast) memory.keep(transcoding.frameBytes);
    };
    const transcoding: Transcoding = await transcode(
      { open: () => this.kept.open(instance.blobKey, signal) },
      { to, inOrder: true, signal, limits: { framesInWorkBytesMax }, onFrame },
    );
    const { transferSyntaxUid, hasPixels, isUnheld, frames } = transcoding;
    const open = (): Promise<Readable> =>
      begun(fileOf(transcoding, held), {
        isBegun: () => frames === 0 || framesMade > 0,
        translated: (error) => translated(error, instance),
        signal,
      });
    return { transferSyntaxUid, hasPixels, isUnheld, frames, open };
  }
}

type Transcoded = Pick<Transcoding, 'transferSyntaxUid' | 'hasPixels' | 'isUnheld' | 'frames'> & {
  /** Begun: its first frame is made. */
  open(): Promise<Readable>;
};

/** Where an object stands in the answer. */
interface Place {
  readonly held: FramesHeld;
  readonly isLast?: boolean;
}

async function* fileOf(transcoding: Transcoding, held: FramesHeld): AsyncGenerator<Uint8Array> {
  // Not before it is its turn: the object before it holds what its own frames take.
  await held.atLeast(transcoding.frameWorkBytes);
  yield* transcoding.file({ implementationClassUid, implementationVersionName });
}

/** What the frames in work of one answer take: as much as those of its largest object so far. */
class FramesHeld {
  #byteCount = 0;

  constructor(private readonly memory: RetrieveMemory) {}

  /** @throws {MemoryTakenError} {RetrieveEndedError} */
  async atLeast(byteCount: number): Promise<void> {
    const wanted = Math.min(byteCount, this.memory.bytesMax);
    if (wanted <= this.#byteCount) return;
    this.#byteCount = wanted;
    await this.memory.hold(wanted);
  }
}

/** That an object cannot be had in a syntax without loss. */
const isRefusal = (error: unknown): boolean => error instanceof DicomTranscodeError || error instanceof DicomPixelError;
/** Or cannot be walked through. As it is stored it can leave all the same. */
const isUnreadable = (error: unknown): boolean => isRefusal(error) || error instanceof DicomParseError;

/** Whatever is wrong with what was taken is nobody's fault who asks for it. */
const translated = (error: unknown, { sopInstanceUid }: KeptInstance): unknown =>
  error instanceof CallosumError && error.kind === 'invalid' ? new BrokenObjectError(sopInstanceUid, error) : error;

/**
 * Whether what is wanted first can be had as far as transfer syntaxes say: as stored, uncompressed of what is so, decoded of
 * what is decoded here and not large, or leaves as stored where it is. Of the rest (a code stream that is broken, an image
 * past the limits) nobody knows before it is read.
 */
function isSure({ instance: { transferSyntaxUid: stored, byteCount }, choices }: WantedInstance): boolean {
  const [best] = choices;
  if (!best) return false;
  const { transferSyntaxUid: asked } = best;
  if (asked === stored) return true;
  if (isEncapsulated(asked)) return false;
  if (!isEncapsulated(stored)) return true;
  return isDecoded(stored) && (byteCount < largeBytesMin || choices.some((one) => one.transferSyntaxUid === stored));
}

/** True where all of them leave as they are stored. */
export const areAsStored = (wanted: readonly WantedInstance[]): boolean =>
  wanted.every(({ instance, choices: [best] }) => best?.transferSyntaxUid === instance.transferSyntaxUid);
