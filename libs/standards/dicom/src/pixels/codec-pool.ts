import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DicomCodecsBusyError, DicomPixelError, DicomTranscodeError } from '../errors.js';

export type Decoder = 'decodeJpeg' | 'decodeJpegLs' | 'decodeJpeg2000' | 'decodeHtJpeg2000' | 'decodeJpegXl';
export type Encoder = 'encodeJpeg' | 'encodeJpegLs' | 'encodeJpeg2000' | 'encodeHtJpeg2000';

/** How samples lie in a frame, as the codecs are told. */
export interface CodecImage {
  readonly rows: number;
  readonly columns: number;
  readonly samplesPerPixel: number;
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly pixelRepresentation: number;
  readonly planarConfiguration: 0;
  /** Codecs refuse names they do not know: one of MONOCHROME2, RGB and YBR_FULL. */
  readonly photometricInterpretation: 'MONOCHROME2' | 'RGB' | 'YBR_FULL';
}

export interface DecodeJob {
  readonly kind: 'decode';
  readonly decoder: Decoder;
  readonly image: CodecImage;
  /** In a buffer of its own: the thread takes it over. */
  readonly encoded: Uint8Array;
}

export interface EncodeJob {
  readonly kind: 'encode';
  readonly encoder: Encoder;
  /** Of the same code stream, to prove it. */
  readonly decoder: Decoder;
  readonly image: CodecImage;
  /** Little-endian, colour by pixel, in a buffer of its own: the thread takes it over. */
  readonly samples: Uint8Array;
}

export type CodecJob = DecodeJob | EncodeJob;

export interface CodecResult {
  /** Samples, or the code stream. */
  readonly bytes: Uint8Array;
  readonly columns: number;
  readonly rows: number;
  /** Of an encoded frame: decoded again it gives the very same samples. */
  readonly isExact?: boolean;
}

export type CodecReply = CodecResult | { readonly error: string };

export interface CodecPoolOptions {
  readonly threads: number;
  /** A 16-bit frame of 4096 × 4096 in JPEG 2000 takes about 5 s; past this the code stream holds the codec in a loop. */
  readonly frameTimeoutMs: number;
  /** Frames waiting for a thread. */
  readonly queuedJobsMax: number;
  /** Their bytes. A single frame always may wait, however large. */
  readonly queuedBytesMax: number;
  /** What the codecs of all threads may have grown to, as `memoryOf` reckons it; a frame that needs more is refused. */
  readonly memoryBytesMax: number;
  /** A thread whose codec has grown to more is ended after its frame: its memory never shrinks. */
  readonly idleBytesMax: number;
}

/**
 * Bytes a codec takes at most for each sample of a frame, code stream and proof included: measured over the codecs, flat
 * frames and noise (5 to 13 to decode, 4 to 20 to encode and decode again).
 */
const bytesPerSample = { decode: 16, encode: 20 };

/** Bytes that a thread's WebAssembly memory grows to for a frame. */
export const memoryOf = ({ kind, image }: Pick<CodecJob, 'kind' | 'image'>): number =>
  image.rows * image.columns * image.samplesPerPixel * bytesPerSample[kind];

interface Thread {
  readonly worker: Worker;
  /** What its codecs have grown to. */
  memoryBytes: number;
}

interface Waiting {
  readonly job: CodecJob;
  readonly byteCount: number;
  resolve: (result: CodecResult) => void;
  reject: (error: unknown) => void;
}

/** From sources, in tests, the thread's file is TypeScript, which Node runs by stripping its types. */
const workerFile = import.meta.url.endsWith('.ts') ? './codec-worker.ts' : './codec-worker.js';

/**
 * Threads for the WebAssembly codecs, which are synchronous: associations and requests of the same process must not wait
 * for them. Threads start with their first job and live on; one whose job failed, hung or brought it down is replaced,
 * since its memory may be damaged, and costs that job only.
 */
export class CodecPool {
  readonly #options: CodecPoolOptions;
  readonly #waiting: Waiting[] = [];
  readonly #threads = new Set<Thread>();
  readonly #idle = new Set<Thread>();
  #waitingBytes = 0;

  constructor(options: Partial<CodecPoolOptions> = {}) {
    this.#options = { ...defaults, ...options };
  }

  get threads(): number {
    return this.#options.threads;
  }

  /**
   * One frame, first come, first served.
   * Thrown when the code stream is broken, takes longer than a minute, or brings the codec down: DicomPixelError, of a
   * frame to be encoded DicomTranscodeError, and so is one whose codec would need more memory than all may have; when too
   * much waits already: DicomCodecsBusyError; when the signal says so before a thread has begun: its reason.
   */
  async run(job: CodecJob, signal?: AbortSignal): Promise<CodecResult> {
    signal?.throwIfAborted();
    if (memoryOf(job) > this.#options.memoryBytesMax) throw tooLarge(job);
    const { queuedJobsMax, queuedBytesMax } = this.#options;
    const byteCount = (job.kind === 'decode' ? job.encoded : job.samples).length;
    const isFull = this.#waiting.length >= queuedJobsMax || this.#waitingBytes + byteCount > queuedBytesMax;
    if (this.#waiting.length > 0 && isFull) throw new DicomCodecsBusyError('Too many frames wait for the codecs');
    return new Promise<CodecResult>((resolve, reject) => {
      const waiting = { job, byteCount, resolve, reject };
      const giveUp = (): void => this.#giveUp(waiting, signal?.reason);
      waiting.resolve = (result) => {
        signal?.removeEventListener('abort', giveUp);
        resolve(result);
      };
      waiting.reject = (error) => {
        signal?.removeEventListener('abort', giveUp);
        reject(error as Error);
      };
      this.#waiting.push(waiting);
      this.#waitingBytes += byteCount;
      signal?.addEventListener('abort', giveUp, { once: true });
      this.#next();
    });
  }

  /** What a thread has begun goes on: a codec cannot be stopped in the middle. */
  #giveUp(waiting: Waiting, reason: unknown): void {
    const index = this.#waiting.indexOf(waiting);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#waitingBytes -= waiting.byteCount;
    waiting.reject(reason);
  }

  #next(): void {
    for (let [waiting] = this.#waiting; waiting; [waiting] = this.#waiting) {
      const thread = this.#threadFor(memoryOf(waiting.job));
      if (!thread) return;
      this.#waiting.shift();
      this.#waitingBytes -= waiting.byteCount;
      this.#perform(thread, waiting);
    }
  }

  /**
   * The idle thread that grows least for the frame, or a new one; others that are idle are ended where they hold the
   * memory it takes. Undefined while those that work hold it, or are as many as may be.
   */
  #threadFor(memoryBytes: number): Thread | undefined {
    const [best, ...others] = [...this.#idle].sort((a, b) => b.memoryBytes - a.memoryBytes);
    if (!best && this.#threads.size >= this.#options.threads) return undefined;
    const grows = Math.max(0, memoryBytes - (best?.memoryBytes ?? 0));
    const isRoom = (): boolean => this.memoryBytes + grows <= this.#options.memoryBytesMax;
    for (let other = others.pop(); other && !isRoom(); other = others.pop()) this.#end(other);
    if (!isRoom()) return undefined;
    const thread = best ?? this.#start();
    this.#idle.delete(thread);
    thread.memoryBytes = Math.max(thread.memoryBytes, memoryBytes);
    return thread;
  }

  /** What the codecs of all threads have grown to. */
  get memoryBytes(): number {
    let bytes = 0;
    for (const { memoryBytes } of this.#threads) bytes += memoryBytes;
    return bytes;
  }

  #start(): Thread {
    const thread: Thread = { worker: new Worker(new URL(workerFile, import.meta.url)), memoryBytes: 0 };
    this.#threads.add(thread);
    // Whoever waits for its frame is told; a thread that dies with none has nobody to tell, and is no error of the process.
    thread.worker.on('error', () => undefined);
    thread.worker.once('exit', () => this.#forget(thread));
    return thread;
  }

  #end(thread: Thread): void {
    this.#forget(thread);
    void thread.worker.terminate();
  }

  #forget(thread: Thread): void {
    this.#idle.delete(thread);
    this.#threads.delete(thread);
  }

  #perform(thread: Thread, { job, resolve, reject }: Waiting): void {
    const { worker } = thread;
    const { frameTimeoutMs, idleBytesMax } = this.#options;
    const finish = (): void => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onFailure).off('exit', onExit);
    };
    const lose = (why: string, cause?: unknown): void => {
      finish();
      this.#end(thread);
      reject(
        job.kind === 'decode'
          ? new DicomPixelError('dicom.pixel-data-broken', why, { cause })
          : new DicomTranscodeError('unfit', why, { cause }),
      );
      this.#next();
    };
    const onMessage = (reply: CodecReply): void => {
      if ('error' in reply) {
        const doing = job.kind === 'decode' ? "A frame's code stream cannot be decoded" : 'A frame cannot be encoded';
        lose(`${doing}: ${reply.error}`);
        return;
      }
      finish();
      // An idle codec does not keep a process alive.
      worker.unref();
      if (thread.memoryBytes > idleBytesMax) this.#end(thread);
      else this.#idle.add(thread);
      resolve(reply);
      this.#next();
    };
    const onFailure = (error: unknown): void => lose('A frame brought the codec down', error);
    const onExit = (): void => lose('A frame brought the codec down');
    const timer = setTimeout(() => lose(`A frame takes longer than ${String(frameTimeoutMs)} ms`), frameTimeoutMs);
    worker.on('message', onMessage).on('error', onFailure).on('exit', onExit);
    worker.ref();
    const taken = job.kind === 'decode' ? job.encoded : job.samples;
    worker.postMessage(job, [taken.buffer as ArrayBuffer]);
  }
}

function tooLarge({ kind, image: { rows, columns } }: CodecJob): Error {
  const why = `A frame of ${String(columns)} × ${String(rows)} needs more memory than the codecs may take`;
  return kind === 'decode'
    ? new DicomPixelError('dicom.pixel-data-unsupported', why)
    : new DicomTranscodeError('too-large', why);
}

/**
 * One core is left to the process itself; more than four threads would only hold more frames. The largest detectors have
 * frames of some 100 MB, 50 million samples.
 */
const defaults: CodecPoolOptions = {
  threads: Math.max(1, Math.min(4, availableParallelism() - 1)),
  frameTimeoutMs: 60_000,
  queuedJobsMax: 1024,
  queuedBytesMax: 512 * 1024 * 1024,
  memoryBytesMax: 800 * 1024 * 1024,
  idleBytesMax: 128 * 1024 * 1024,
};

/** The threads of this process. */
export const codecPool = new CodecPool();
