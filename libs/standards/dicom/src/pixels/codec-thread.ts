import { Worker } from 'node:worker_threads';
import { DicomPixelError } from '../errors.js';
import type { ImagePixel } from './layout.js';

export type Decoder = 'decodeJpeg' | 'decodeJpegLs' | 'decodeJpeg2000' | 'decodeHtJpeg2000' | 'decodeJpegXl';

export interface CodecJob {
  readonly decoder: Decoder;
  readonly image: ImagePixel;
  readonly encoded: Uint8Array;
}

export interface CodecSamples {
  readonly bytes: Uint8Array;
  readonly columns: number;
  readonly rows: number;
  readonly planarConfiguration: number;
  readonly photometricInterpretation: string;
}

export type CodecReply = CodecSamples | { readonly error: string };

/** A 16-bit frame of 4096 × 4096 in JPEG 2000 takes about 5 s; past this the code stream holds the codec in a loop. */
const frameTimeoutMs = 60_000;

let thread: Worker | undefined;
let queue: Promise<unknown> = Promise.resolve();

/**
 * Decodes one frame in the codec thread, one at a time: WebAssembly decoders are synchronous, and associations and
 * requests of the same process must not wait for them.
 * Thrown when the code stream is broken, takes longer than a minute, or brings the codec down: DicomPixelError.
 */
export function decodeInThread(job: CodecJob): Promise<CodecSamples> {
  const mine = queue.then(() => run(job));
  queue = mine.catch(() => undefined);
  return mine;
}

/** From sources, in tests, the thread's file is TypeScript, which Node runs by stripping its types. */
const workerFile = import.meta.url.endsWith('.ts') ? './codec-worker.ts' : './codec-worker.js';

function start(): Worker {
  const worker = new Worker(new URL(workerFile, import.meta.url));
  // An idle codec does not keep a process alive.
  worker.unref();
  return worker;
}

function run(job: CodecJob): Promise<CodecSamples> {
  const worker = (thread ??= start());
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      worker.off('message', onMessage).off('error', onFailure).off('exit', onExit);
      worker.unref();
      settle();
    };
    const lose = (why: string, cause?: unknown): void => {
      thread = undefined;
      finish(() => reject(broken(why, cause)));
      void worker.terminate();
    };
    const onMessage = (reply: CodecReply): void =>
      finish(() =>
        'error' in reply ? reject(broken(`A frame's code stream cannot be decoded: ${reply.error}`)) : resolve(reply),
      );
    const onFailure = (error: unknown): void => lose('A frame brought the codec down', error);
    const onExit = (): void => lose('A frame brought the codec down');
    const timer = setTimeout(
      () => lose(`A frame takes longer than ${String(frameTimeoutMs)} ms to decode`),
      frameTimeoutMs,
    );
    worker.on('message', onMessage).on('error', onFailure).on('exit', onExit);
    worker.ref();
    worker.postMessage(job, [job.encoded.buffer as ArrayBuffer]);
  });
}

const broken = (message: string, cause?: unknown): DicomPixelError =>
  new DicomPixelError('dicom.pixel-data-broken', message, { cause });
