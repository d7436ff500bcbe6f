import { Worker } from 'node:worker_threads';

import { ObjectStoreUnavailableError } from './errors.js';
import type { WriteOrder, WriterOrder, WriterReply } from './file-writer-thread.js';
import type { StoredObject, TailFrom } from './object-store.js';

/**
 * Bytes that go to a thread at once. A slice of 512 × 512 in 16 bits fits with its header: such an object costs one
 * message and one reply. An object that is larger holds two of these at most.
 */
const segmentBytes = 640 * 1024;
/** Kept for the next objects: 10 MiB. */
const idleSegmentsMax = 16;
/** Bytes of an object whose flush holds up what ends beside it as long as one more object does. */
const bytesLikeAnObject = 16 * 1024 * 1024;
/** They wait for the disk more than for the processor; with more than four the processor's share grew again (ADR 86). */
const threadsMax = 4;
/** From sources, in tests, the thread's file is TypeScript, which Node runs by stripping its types. */
const threadFile = import.meta.url.endsWith('.ts') ? './file-writer-thread.ts' : './file-writer-thread.js';

interface Asked {
  readonly resolve: (reply: WriterReply) => void;
  readonly reject: (error: unknown) => void;
}

/** One thread, with the objects that are open in it. It keeps no process alive that waits for nothing. */
class WriterThread {
  readonly #worker = new Worker(new URL(threadFile, import.meta.url), { execArgv: [] });
  readonly #asked = new Map<number, Asked>();
  objects = 0;
  /** Of those objects, as far as they came. */
  bytes = 0;
  lost = false;

  constructor() {
    this.#worker.unref();
    this.#worker.on('message', (reply: WriterReply) => this.#replied(reply));
    this.#worker.on('error', (cause) => this.#lose(cause));
    this.#worker.on('exit', () => this.#lose());
  }

  ask(order: WriterOrder): Promise<WriterReply> {
    if (this.lost) return Promise.reject(threadLost());
    const { promise, resolve, reject } = Promise.withResolvers<WriterReply>();
    this.#asked.set(order.id, { resolve, reject });
    this.#worker.ref();
    this.#worker.postMessage(order);
    return promise;
  }

  #replied(reply: WriterReply): void {
    const asked = this.#asked.get(reply.id);
    this.#asked.delete(reply.id);
    if (this.#asked.size === 0) this.#worker.unref();
    const { failure } = reply;
    if (failure) asked?.reject(Object.assign(new Error(failure.message), { code: failure.code }));
    else asked?.resolve(reply);
  }

  #lose(cause?: unknown): void {
    this.lost = true;
    for (const { reject } of this.#asked.values()) reject(threadLost(cause));
    this.#asked.clear();
  }
}

/** Which of them flushes a further object soonest: a flush of gigabytes holds up whatever ends in its thread. */
export const leastBusyOf = <T extends Pick<WriterThread, 'objects' | 'bytes'>>(threads: readonly T[]): T | undefined =>
  threads.toSorted((a, b) => a.objects - b.objects + (a.bytes - b.bytes) / bytesLikeAnObject)[0];

const threadLost = (cause?: unknown): ObjectStoreUnavailableError =>
  new ObjectStoreUnavailableError('a thread that writes ended', { cause });

/**
 * Writes objects to disk in threads that do nothing else. An object takes eight calls of the file system; asked for
 * one by one they go to Node's pool of threads and back each, and cost the thread that everything waits for more than all
 * the rest of an object. Here one message goes there and one comes back.
 */
export class FileWriters {
  readonly #threads: WriterThread[] = [];
  readonly #segments: Uint8Array[] = [];
  #lastId = 0;

  /**
   * Starts all threads and resolves when they run. A process that takes in objects all day has them from its start: started when
   * they are needed they come one by one under load, 15 MiB each. What writes now and then leaves that to `begin`.
   */
  async start(): Promise<void> {
    while (this.#threads.length < threadsMax) this.#threads.push(new WriterThread());
    // To take away what was never begun is answered by a thread that runs, and does nothing.
    await Promise.all(this.#threads.map((thread) => thread.ask({ id: ++this.#lastId, abort: true })));
  }

  /** @param staging path of the object while it is written */
  begin(staging: string, tailFrom?: TailFrom): ObjectFile {
    const thread = this.#leastBusy();
    thread.objects++;
    const id = ++this.#lastId;
    const segments = {
      take: () => this.#segments.pop() ?? new Uint8Array(new SharedArrayBuffer(segmentBytes)),
      give: (segment: Uint8Array) => {
        if (this.#segments.length < idleSegmentsMax) this.#segments.push(segment);
      },
    };
    return new ObjectFile(id, staging, thread, segments, tailFrom);
  }

  #leastBusy(): WriterThread {
    for (const [index, thread] of this.#threads.entries()) if (thread.lost) this.#threads[index] = new WriterThread();
    const best = leastBusyOf(this.#threads);
    if (best && (best.objects === 0 || this.#threads.length >= threadsMax)) return best;
    const started = new WriterThread();
    this.#threads.push(started);
    return started;
  }
}

interface Segments {
  take(): Uint8Array;
  give(segment: Uint8Array): void;
}

/** One object on its way to disk; one of `finish` and `abort` ends it. */
export class ObjectFile {
  #segment: Uint8Array | undefined;
  #filled = 0;
  /** The segment that is being written; the next one is filled meanwhile. */
  #writing: Promise<unknown> = Promise.resolve();
  #begun = false;
  #ended = false;
  byteCount = 0;

  constructor(
    private readonly id: number,
    private readonly staging: string,
    private readonly thread: WriterThread,
    private readonly segments: Segments,
    private readonly tailFrom: TailFrom = () => undefined,
  ) {}

  /** The bytes are copied: they may change as soon as this resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    this.byteCount += bytes.byteLength;
    this.thread.bytes += bytes.byteLength;
    for (let offset = 0; offset < bytes.byteLength;) {
      const segment = (this.#segment ??= this.segments.take());
      const piece = bytes.subarray(offset, offset + segment.byteLength - this.#filled);
      segment.set(piece, this.#filled);
      this.#filled += piece.byteLength;
      offset += piece.byteLength;
      if (this.#filled === segment.byteLength) await this.#send();
    }
  }

  /**
   * Resolves with the digests (SHA-256, hex) once the object is durable under its name.
   * @throws the file system's errors, with their codes; nothing is left then
   */
  async finish(path: string, folder: string): Promise<Pick<StoredObject, 'sha256' | 'tailSha256'>> {
    const sent = this.#send({ path, folder });
    await sent;
    const reply = (await this.#writing) as WriterReply;
    this.#end();
    const { sha256 = '', tailSha256 } = reply;
    return { sha256, ...(tailSha256 === undefined ? {} : { tailSha256 }) };
  }

  /** Leaves nothing behind. Idempotent, also after a failure. */
  async abort(): Promise<void> {
    if (this.#ended) return;
    await this.#writing.catch(() => undefined);
    if (this.#begun) await this.thread.ask({ id: this.id, abort: true }).catch(() => undefined);
    this.#end();
  }

  /** Resolves when the segment before was written, and this one is on its way. */
  async #send(finish?: WriteOrder['finish']): Promise<void> {
    await this.#writing;
    const segment = this.#segment ?? new Uint8Array(0);
    const tailFrom = this.tailFrom();
    const order = {
      id: this.id,
      staging: this.staging,
      bytes: segment.subarray(0, this.#filled),
      ...(tailFrom === undefined ? {} : { tailFrom }),
    };
    this.#segment = undefined;
    this.#filled = 0;
    this.#begun = true;
    const writing = this.thread.ask(finish ? { ...order, finish } : order).finally(() => {
      if (segment.byteLength > 0) this.segments.give(segment);
    });
    // Looked at with the next segment, or at the end.
    writing.catch(() => undefined);
    this.#writing = writing;
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.thread.objects--;
    this.thread.bytes -= this.byteCount;
    if (this.#segment) this.segments.give(this.#segment);
    this.#segment = undefined;
  }
}

/** The threads of this process. */
export const fileWriters = new FileWriters();
