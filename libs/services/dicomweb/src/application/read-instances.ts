import { Readable } from 'node:stream';

import {
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
  /** Its body, once. @throws {NotAcceptableError} when it cannot be given as accepted */
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
   * Of what is transcoded the memory of its frames is held from when the first byte is taken; of the first body of an
   * answer a frame is made before, so that what cannot be had now has a status.
   * @param part of what leaves as it is stored
   * @throws {MemoryTakenError} {RetrieveEndedError} {NotAcceptableError} {BrokenObjectError} DicomCodecsBusyError
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
/** What stands before the pixels, and is held until the first frame is made. */
const heldHeadBytesMax = 1024 * 1024;

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
   * Bodies in the order of the instances, each made when it is asked for. The first one is tried, and so are some of those that
   * have to be encoded, since only their image attributes say whether they can be: what is refused then is refused before the
   * answer begins. Nothing but the verdict is kept of them. Of those that the forms accepted cannot hold any number is looked
   * at, until one is found that is given as accepted.
   * @throws {NotAcceptableError} when one of them cannot be given as accepted, or all that have pixels are given otherwise
   */
  async bodies(wanted: readonly WantedInstance[], memory: RetrieveMemory): Promise<readonly MadeInstance[]> {
    const held = new FramesHeld(memory);
    const [one, ...others] = wanted;
    const last = wanted.length - 1;
    const first = one && (await this.#body(one, memory, { held, isFirst: true, isLast: last === 0 }));
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

  /** In the first of its forms that it can be had in. @throws {NotAcceptableError} {BrokenObjectError} */
  async #body(
    { instance, choices, isPlainBesides }: WantedInstance,
    memory: RetrieveMemory,
    place: Place,
  ): Promise<InstanceBody> {
    const { transferSyntaxUid: stored } = instance;
    const storedAt = choices.findIndex(({ transferSyntaxUid }) => transferSyntaxUid === stored);
    const before = storedAt < 0 ? choices : choices.slice(0, storedAt);
    const to = [
      ...before.map(({ transferSyntaxUid }) => transferSyntaxUid),
      ...(isPlainBesides && storedAt < 0 ? [ExplicitVRLittleEndian] : []),
    ];
    const tried = to.length === 0 ? undefined : await this.#transcoded(instance, to, memory, place);
    const refused = tried && isRefusal(tried) ? tried : undefined;
    const made = tried && !isRefusal(tried) ? tried : undefined;
    const chosen = before.find(({ transferSyntaxUid }) => transferSyntaxUid === made?.transferSyntaxUid);
    if (made && (chosen || !made.hasPixels || made.isUnheld))
      return {
        instance,
        multipart: chosen?.multipart ?? true,
        given: chosen ? 'as-accepted' : made.hasPixels ? 'unheld' : 'without-pixels',
        transferSyntaxUid: made.transferSyntaxUid,
        open: made.open,
      };
    const choice = choices[storedAt];
    if (!choice || (choice.ifTooLarge === true && !isTooLarge(refused))) throw instanceNotAcceptable(instance);
    const { blobKey, byteCount } = instance;
    const open = (part?: BytePart): Promise<Readable> =>
      part
        ? this.kept.open(blobKey, memory.signal, { offset: part.first, length: part.last + 1 - part.first })
        : this.kept.open(blobKey, memory.signal);
    const { multipart } = choice;
    return { instance, transferSyntaxUid: stored, multipart, given: 'as-accepted', byteCount, open };
  }

  /** Or why the instance cannot be had in any of these syntaxes without loss. @throws {BrokenObjectError} */
  async #transcoded(
    instance: KeptInstance,
    to: readonly string[],
    memory: RetrieveMemory,
    { held, isFirst = false, isLast = false }: Place,
  ): Promise<Transcoded | Refusal> {
    const { blobKey, sopInstanceUid } = instance;
    const { signal } = memory;
    // Whatever is wrong with what was taken is nobody's fault who asks for it.
    const translated = (error: unknown): unknown =>
      error instanceof CallosumError && error.kind === 'invalid' ? new BrokenObjectError(sopInstanceUid, error) : error;
    let framesMade = 0;
    const onFrame = (): void => {
      // All that is left of the work, while a client takes its time; where another object follows, its work comes then.
      if (++framesMade === transcoding.frames && isLast) memory.keep(transcoding.frameBytes);
    };
    let transcoding: Transcoding;
    try {
      transcoding = await transcode(
        { open: () => this.kept.open(blobKey, signal) },
        { to, inOrder: true, signal, limits: { framesInWorkBytesMax }, onFrame },
      );
      const { transferSyntaxUid, hasPixels, isUnheld, frames } = transcoding;
      const open = async (): Promise<Readable> => {
        const chunks = fileOf(transcoding, held);
        const isBegun = (): boolean => !isFirst || frames === 0 || framesMade > 0;
        try {
          return await begun(chunks, isBegun, translated);
        } catch (error) {
          throw isRefusal(error) ? instanceNotAcceptable(instance) : translated(error);
        }
      };
      return { transferSyntaxUid, hasPixels, isUnheld, open };
    } catch (error) {
      if (isRefusal(error)) return error;
      throw translated(error);
    }
  }
}

type Transcoded = Pick<InstanceBody, 'transferSyntaxUid' | 'open'> & Pick<Transcoding, 'hasPixels' | 'isUnheld'>;

/** Where an object stands in the answer. */
interface Place {
  readonly held: FramesHeld;
  readonly isFirst?: boolean;
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
type Refusal = DicomTranscodeError | DicomPixelError;
const isRefusal = (error: unknown): error is Refusal =>
  error instanceof DicomTranscodeError || error instanceof DicomPixelError;
const isTooLarge = (error: Refusal | undefined): boolean =>
  error instanceof DicomTranscodeError && error.problem === 'too-large';

/**
 * A stream of chunks, of which as many were taken as it takes until it has begun. Nothing is read ahead of who reads it.
 * @param translated what is thrown from the stream instead
 */
async function begun(
  chunks: AsyncGenerator<Uint8Array>,
  isBegun: () => boolean,
  translated: (error: unknown) => unknown,
): Promise<Readable> {
  const taken: Uint8Array[] = [];
  for (let byteCount = 0; !isBegun() && byteCount < heldHeadBytesMax;) {
    const { done, value } = await chunks.next();
    if (done === true) break;
    taken.push(value);
    byteCount += value.length;
  }
  const all = async function* (): AsyncGenerator<Uint8Array> {
    yield* taken.splice(0);
    try {
      yield* chunks;
    } catch (error) {
      throw translated(error);
    }
  };
  // Who never reads it does not run what would close them.
  const close = (): void => void chunks.return(undefined).catch(() => undefined);
  return Readable.from(all(), { objectMode: false }).once('close', close);
}

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
