import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { DicomCodecsBusyError, DicomPixelError, DicomTranscodeError } from '../errors.js';
import {
  codecBytesMax,
  type CodecJob,
  type CodecModule,
  type CodecReply,
  type CodecResult,
  type CodecTask,
  memoryOf,
  moduleOf,
  tooLarge,
} from './codec-jobs.js';

/** How urgent a frame is. */
export interface CodecTurn {
  /** Others go first, and one thread is left to them where there are more than one. */
  readonly patient?: boolean;
}

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

interface Thread {
  readonly worker: Worker;
  /** What the memory of each of its modules has grown to. */
  readonly grown: Record<CodecModule, number>;
}

const memoryOfThread = ({ grown }: Thread): number => grown.codecs + grown.webp;

interface Waiting {
  readonly job: CodecJob;
  readonly isPatient: boolean;
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
  /** Threads that work for the patient. */
  #patientThreads = 0;
  /** Frames that went before a patient one since it could have had its turn. */
  #passed = 0;

  constructor(options: Partial<CodecPoolOptions> = {}) {
    this.#options = { ...defaults, ...options };
  }

  get threads(): number {
    return this.#options.threads;
  }

  /**
   * One frame, first come, first served but for the patient.
   * Thrown when the code stream is broken, takes longer than a minute or more memory than was reckoned, or brings the codec
   * down: DicomPixelError, of a
   * frame or picture to be encoded DicomTranscodeError, and so is one whose codec would need more memory than all may have;
   * when too much waits already: DicomCodecsBusyError; when the signal says so before a thread has begun: its reason.
   */
  async run(job: CodecJob, signal?: AbortSignal, { patient: isPatient = false }: CodecTurn = {}): Promise<CodecResult> {
    signal?.throwIfAborted();
    if (memoryOf(job) > this.#options.memoryBytesMax) throw tooLarge(job);
    const { queuedJobsMax, queuedBytesMax } = this.#options;
    const byteCount = (job.kind === 'decode' ? job.encoded : job.samples).length;
    const isFull = this.#waiting.length >= queuedJobsMax || this.#waitingBytes + byteCount > queuedBytesMax;
    if (this.#waiting.length > 0 && isFull) throw new DicomCodecsBusyError('Too many frames wait for the codecs');
    return new Promise<CodecResult>((resolve, reject) => {
      const waiting = { job, isPatient, byteCount, resolve, reject };
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
    for (let index = this.#turn(); index >= 0; index = this.#turn()) {
      const waiting = this.#waiting[index];
      const thread = waiting && this.#threadFor(waiting.job);
      if (!thread) return;
      this.#took(waiting);
      this.#waiting.splice(index, 1);
      this.#waitingBytes -= waiting.byteCount;
      this.#perform(thread, waiting);
    }
  }

  /** Whose turn it is: where it stands among those that wait, or -1. */
  #turn(): number {
    const urgent = this.#waiting.findIndex(({ isPatient }) => !isPatient);
    const patient = this.#waiting.findIndex(({ isPatient }) => isPatient);
    const hasRoom = this.#patientThreads < Math.max(1, this.#options.threads - 1);
    if (patient < 0 || !hasRoom) return urgent;
    return urgent >= 0 && this.#passed < passedMax ? urgent : patient;
  }

  /** Counts who went before a patient one that could have had its turn. */
  #took({ isPatient }: Waiting): void {
    const hasRoom = this.#patientThreads < Math.max(1, this.#options.threads - 1);
    const waits = this.#waiting.some((one) => one.isPatient);
    if (isPatient) this.#passed = 0;
    else if (waits && hasRoom) this.#passed++;
  }

  /**
   * The idle thread whose module grows least for the frame, or a new one; those that are idle are ended where they hold
   * the memory it takes. Undefined while those that work hold it, or are as many as may be.
   */
  #threadFor(job: CodecJob): Thread | undefined {
    const [module, memoryBytes] = [moduleOf(job), memoryOf(job)];
    const [best, ...others] = [...this.#idle].sort(
      (a, b) => b.grown[module] - a.grown[module] || memoryOfThread(b) - memoryOfThread(a),
    );
    if (!best && this.#threads.size >= this.#options.threads) return undefined;
    const grows = Math.max(0, memoryBytes - (best?.grown[module] ?? 0));
    const isRoom = (bytes: number): boolean => this.memoryBytes + bytes <= this.#options.memoryBytesMax;
    for (let other = others.pop(); other && !isRoom(grows); other = others.pop()) this.#end(other);
    let thread = best;
    if (!isRoom(grows)) {
      // What the other module of the thread holds may be what this one needs.
      if (!best || !isRoom(memoryBytes - memoryOfThread(best))) return undefined;
      this.#end(best);
      thread = undefined;
    }
    thread ??= this.#start();
    this.#idle.delete(thread);
    thread.grown[module] = Math.max(thread.grown[module], memoryBytes);
    return thread;
  }

  /** What the codecs of all threads have grown to. */
  get memoryBytes(): number {
    let bytes = 0;
    for (const thread of this.#threads) bytes += memoryOfThread(thread);
    return bytes;
  }

  #start(): Thread {
    const worker = new Worker(new URL(workerFile, import.meta.url));
    const thread: Thread = { worker, grown: { codecs: 0, webp: 0 } };
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

  #perform(thread: Thread, { job, isPatient, resolve, reject }: Waiting): void {
    if (isPatient) this.#patientThreads++;
    const { worker } = thread;
    const { frameTimeoutMs, idleBytesMax } = this.#options;
    const finish = (): void => {
      if (isPatient) this.#patientThreads--;
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
      if (memoryOfThread(thread) > idleBytesMax) this.#end(thread);
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
    const task: CodecTask = { job, memoryBytes: thread.grown[moduleOf(job)] };
    worker.postMessage(task, [taken.buffer as ArrayBuffer]);
  }
}

/** One core is left to the process itself; more than four threads would only hold more frames. */
const defaults: CodecPoolOptions = {
  threads: Math.max(1, Math.min(4, availableParallelism() - 1)),
  frameTimeoutMs: 60_000,
  queuedJobsMax: 1024,
  queuedBytesMax: 512 * 1024 * 1024,
  memoryBytesMax: codecBytesMax,
  idleBytesMax: 128 * 1024 * 1024,
};

/** The patient wait longer, not for ever: after so many others one of them has its turn. */
const passedMax = 8;

/** The threads of this process. */
export const codecPool = new CodecPool();
