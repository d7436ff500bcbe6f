import { Writable } from 'node:stream';

/**
 * The stream the library writes a dataset to. It is never full: the library waits for "drain" only after the first
 * write of an object, never gives up when the stream is gone, and takes the next value meanwhile. The connection
 * asks the real stream instead.
 */
export function alwaysReady(write: (bytes: Buffer) => void, end: () => void): Writable {
  return new Writable({
    highWaterMark: Number.MAX_SAFE_INTEGER,
    write: (bytes: Buffer, _encoding, done) => {
      write(bytes);
      done();
    },
    final: (done) => {
      end();
      done();
    },
  });
}

/** Resolves when the stream takes more, or never will. */
export function drained(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done);
      resolve();
    };
    stream.on('drain', done).on('close', done);
    if (stream.destroyed) done();
  });
}
