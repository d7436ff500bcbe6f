import { isStreamOf, loopTurns, type Part10Parts } from '@callosum/dicom';

import { TooLargeError } from '../domain/errors/door.js';
import { UnusableMetadataError } from '../domain/errors/store.js';
import type { MultipartPart } from '../domain/multipart-reader.js';
import { type BulkForm, bulkFormOf, type FrameForm, pixelDataPath } from '../domain/store-bulk-form.js';
import { refuseEncoded } from '../domain/store-coding.js';
import { JsonDatasetSplitter } from '../domain/store-json-splitter.js';
import type { IntakeContext, ObjectIntake, SopReference } from './ports/intake.js';
import { type DatasetTurns, type MetadataLimits, type ReadInstance, readInstance } from './store-datasets.js';
import { type Held, HeldBytes, type HeldMemory, heldOf, RequestHold } from './store-held.js';
import type { CommitLine } from './store-line.js';
import { asBody, type BegunBody, begunWith, declaredLength, WatchedBody } from './store-part.js';
import { openedWith, StreamedInstance } from './store-streamed.js';
import { BulkTargets, type Target } from './store-targets.js';
import type { WaitingInstance } from './store-waiting.js';

/** What most often tells of which transfer syntax a code stream is; that, and its size, may stand behind a profile. */
const codeStreamHeadBytes = { ofSyntax: 4 * 1024, ofImage: 256 * 1024 };
/** Text of short datasets that is read and written without a break: some 20 ms. */
const turnBytes = 64 * 1024;

/**
 * Instances as metadata and bulk data (PS3.18 10.5.1.4, 8.6.1): datasets of the DICOM JSON model, then parts that their
 * bulk data URIs name by Content-Location; frames of compressed Pixel Data come each in a part, in order, under one
 * location. An instance is written as soon as it is whole. The value that makes it whole is streamed where its length is
 * known before (Content-Length, or what the image attributes say); what comes earlier is held. What never becomes whole
 * fails, and nothing of it is stored.
 */
export class MetadataStore {
  readonly #hold: RequestHold;
  readonly #targets: BulkTargets;
  #datasets = 0;
  readonly #waiting = new Set<WaitingInstance>();
  /** The instance that is being written while its frames come. */
  #streamed: StreamedInstance | undefined;

  constructor(
    private readonly intake: ObjectIntake,
    private readonly line: CommitLine,
    private readonly context: IntakeContext,
    private readonly limits: MetadataLimits,
    memory: HeldMemory,
    private readonly datasets: DatasetTurns,
  ) {
    this.#hold = new RequestHold(memory, limits.heldBytesMax);
    this.#targets = new BulkTargets(this.#hold);
  }

  /**
   * The part with the datasets.
   * @throws {BadRequestError} {TooLargeError} when it is no array of datasets, or the body is broken
   * @throws {StoreMemoryTakenError} when others hold what one of them needs
   */
  async metadata(body: AsyncIterable<Uint8Array>): Promise<void> {
    const { json, instancesMax } = this.limits;
    const splitter = new JsonDatasetSplitter(json);
    const text = new HeldBytes(this.#hold);
    let sinceTurn = 0;
    try {
      for await (const chunk of body) {
        for (const { bytes, isLast } of splitter.push(chunk)) {
          text.push(bytes);
          if (!isLast) continue;
          if (++this.#datasets > instancesMax) throw new TooLargeError(`more than ${instancesMax} instances`);
          const dataset = text.handOver();
          await this.#dataset(dataset);
          // A chunk may hold very many, and what each costs is spent without a break.
          sinceTurn += dataset.byteCount;
          if (sinceTurn < turnBytes) continue;
          sinceTurn = 0;
          await loopTurns.next();
        }
      }
      splitter.end();
    } catch (error) {
      if (error instanceof UnusableMetadataError) throw new TooLargeError('the metadata is larger than what may wait');
      throw error;
    } finally {
      text.release();
    }
  }

  /** A part with bulk data. @throws {BadRequestError} {TooLargeError} when the body is broken */
  async bulk({ headers, body }: MultipartPart): Promise<void> {
    const targets = this.#targets.named(headers.get('content-location'));
    const missing = targets.filter(({ instance, path }) => !instance.failed && instance.isMissing(path));
    if (missing.length === 0) {
      // Of an instance that failed nothing more is said.
      if (!targets.some(({ instance }) => instance.failed))
        this.line.fail(this.line.place(), new UnusableMetadataError('a part is no bulk value of the metadata'));
      return;
    }
    const watched = new WatchedBody(body);
    try {
      await this.#take(missing, headers, watched);
    } catch (error) {
      for (const { instance } of missing) await this.#fail(instance, error);
      // The body itself failed: the request is broken.
      if (watched.hasFailed) throw error;
    }
  }

  /** After the last part, or when the request is broken: what is not whole fails with this error. */
  async end(why: unknown): Promise<void> {
    for (const instance of [...this.#waiting]) await this.#fail(instance, why);
    this.#targets.forget();
  }

  async #dataset({ pieces, heldBytes }: Held): Promise<void> {
    const place = this.line.place();
    const found: { named?: SopReference } = {};
    let read: ReadInstance;
    try {
      read = await this.datasets.run(() => readInstance(place, pieces, found));
    } catch (error) {
      this.#hold.give(heldBytes);
      this.line.fail(place, error, found.named);
      return;
    }
    const { instance, parts } = read;
    instance.heldBytes = heldBytes;
    instance.textBytes = heldBytes;
    try {
      this.#waiting.add(instance);
      await this.#targets.add(instance);
      if (parts) await this.#store(instance, parts);
    } catch (error) {
      await this.#fail(instance, error);
    }
  }

  async #take(targets: readonly Target[], headers: MultipartPart['headers'], body: WatchedBody): Promise<void> {
    refuseEncoded(headers.get('content-encoding') ?? '');
    const forms = targets.map(({ instance, path }) =>
      bulkFormOf(headers.get('content-type'), path, instance.documentType),
    );
    const [target, another] = targets;
    const [form] = forms;
    const byteCount = declaredLength(headers);
    const begun = form?.kind === 'frame' ? await this.#begun(targets, form, body) : { ...nothing, body };
    for (const [i, { instance, path }] of targets.entries()) {
      const decide = (): void => instance.decideSyntax(forms[i], begun);
      if (path !== pixelDataPath) continue;
      if (another) await this.#orFail(instance, decide);
      else decide();
    }
    if (target && form && !another && (await this.#stream(target, form, byteCount, begun.body))) return;
    await this.#keep(targets, forms, begun.body);
  }

  /** What a frame begins with: as much as tells of which transfer syntax it is, or how large. */
  async #begun(targets: readonly Target[], { syntaxes }: FrameForm, body: WatchedBody): Promise<BegunBody> {
    const { ofSyntax, ofImage } = codeStreamHeadBytes;
    const begun = await begunWith(body, ofSyntax);
    const isUntold = syntaxes.some((uid) => isStreamOf(begun.head, uid, begun.isWhole) === undefined);
    if (!isUntold && !targets.some(({ instance }) => instance.lacksImage)) return begun;
    return begun.isWhole ? begun : begunWith(begun.body, ofImage);
  }

  /** Writes the value while it comes. @returns false when it has to be held: nothing of it was read then */
  async #stream(
    { instance, path }: Target,
    form: BulkForm,
    declared: number | undefined,
    body: AsyncIterable<Uint8Array>,
  ): Promise<boolean> {
    if (form.kind === 'octets') {
      const byteCount = declared ?? (path === pixelDataPath ? instance.image.nativeBytes : undefined);
      if (byteCount === undefined || !instance.isLast(path) || this.#streamed) return false;
      if (path === pixelDataPath) instance.assertNative(byteCount);
      const streamed = await this.#begin(instance, path);
      await streamed.octets(byteCount, body);
      await this.#commit(streamed);
      return true;
    }
    const framesWanted = instance.framesWanted(form);
    if (this.#streamed && this.#streamed.instance !== instance) return false;
    if (!this.#streamed && (!instance.isLast(path) || instance.framesHeld > 0)) return false;
    const streamed = this.#streamed ?? (await this.#begin(instance, path));
    await this.#frame(streamed, declared, body);
    if (streamed.framesWritten < framesWanted) return true;
    await streamed.endFrames();
    await this.#commit(streamed);
    return true;
  }

  async #begin(instance: WaitingInstance, path: string): Promise<StreamedInstance> {
    const parts = await this.datasets.run(() => instance.file(path));
    this.#holdFor(instance, parts);
    this.#streamed = await StreamedInstance.begin(instance, path, parts, () => this.intake.begin(this.context));
    return this.#streamed;
  }

  /** A fragment has its length before it: a frame that does not say it is held until it has come. */
  async #frame(
    streamed: StreamedInstance,
    declared: number | undefined,
    body: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    if (declared !== undefined) return streamed.frame(declared, body);
    const { pieces, byteCount, heldBytes } = await heldOf(body, this.#hold);
    try {
      await streamed.frame(byteCount, asBody(pieces));
    } finally {
      this.#hold.give(heldBytes);
    }
  }

  /** Holds the value until the instance is whole. */
  async #keep(targets: readonly Target[], forms: readonly BulkForm[], body: AsyncIterable<Uint8Array>): Promise<void> {
    const held = await heldOf(body, this.#hold);
    this.#hold.give(held.heldBytes);
    for (const [i, target] of targets.entries())
      await this.#orFail(target.instance, () => this.#put(target, forms[i], held));
    for (const instance of new Set(targets.map((target) => target.instance)))
      if (instance.isWhole) await this.#orFail(instance, () => this.#store(instance));
  }

  #put({ instance, path }: Target, form: BulkForm | undefined, { pieces, byteCount, heldBytes }: Held): void {
    // Each instance counts it, since each lets go of it on its own.
    this.#hold.take(heldBytes);
    instance.heldBytes += heldBytes;
    if (form?.kind === 'frame') instance.putFrame(pieces, instance.framesWanted(form));
    else {
      if (path === pixelDataPath) instance.assertNative(byteCount);
      instance.put(path, pieces);
    }
  }

  /** Of several instances with one value each fails by itself. */
  async #orFail(instance: WaitingInstance, step: () => void | Promise<void>): Promise<void> {
    if (instance.failed) return;
    try {
      await step();
    } catch (error) {
      await this.#fail(instance, error);
    }
  }

  /** One that is whole in memory. */
  async #store(instance: WaitingInstance, written?: Part10Parts): Promise<void> {
    const parts = written ?? (await this.datasets.run(() => instance.file()));
    this.#holdFor(instance, parts);
    const writer = await openedWith(() => this.intake.begin(this.context), parts.before);
    this.#forget(instance);
    await this.line.commit(instance.place, writer);
  }

  /** What was made of the text is held in its place, however long the archive takes. */
  #holdFor(instance: WaitingInstance, { heldBytes }: Part10Parts): void {
    const textBytes = instance.letTextGo();
    instance.heldBytes -= textBytes;
    this.#hold.give(textBytes);
    this.#hold.take(heldBytes);
    instance.heldBytes += heldBytes;
  }

  async #commit({ instance, written }: StreamedInstance): Promise<void> {
    this.#streamed = undefined;
    this.#forget(instance);
    await this.line.commit(instance.place, written);
  }

  async #fail(instance: WaitingInstance, error: unknown): Promise<void> {
    if (instance.failed) return;
    instance.failed = true;
    this.line.fail(instance.place, error, instance.named);
    this.#forget(instance);
    if (this.#streamed?.instance !== instance) return;
    const streamed = this.#streamed;
    this.#streamed = undefined;
    await streamed.abort();
  }

  #forget(instance: WaitingInstance): void {
    instance.close();
    this.#waiting.delete(instance);
    this.#hold.give(instance.heldBytes);
    instance.heldBytes = 0;
  }
}

const nothing = { head: new Uint8Array(0), isWhole: false };
