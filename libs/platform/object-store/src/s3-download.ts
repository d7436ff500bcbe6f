import { finished, Readable } from 'node:stream';
import { crc32 } from 'node:zlib';

import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';

import { base64OfCrc } from './crc.js';
import { ObjectStoreUnavailableError } from './errors.js';
import type { ByteRange } from './object-store.js';
import { statusOf, translate } from './s3-errors.js';

/** An answer to a request for an object, or for what is left of it. */
export interface S3Answer {
  readonly body: Readable;
  /** Base64, where the server tells one of all that it gives. */
  readonly crc32?: string;
  /** The SDK alone can verify it, and only an answer that is read to its end. */
  readonly isWhole: boolean;
}

interface Asked {
  readonly bucket: string;
  readonly key: string;
  readonly range: ByteRange | undefined;
  readonly signal: AbortSignal | undefined;
}

/** @throws {ObjectNotFoundError} @throws {ObjectStoreUnavailableError} @throws the signal's reason */
export async function answerOf(client: S3Client, { bucket, key, range, signal }: Asked): Promise<S3Answer> {
  if (range?.length === 0) return nothingLeft();
  const end = range?.length === undefined ? '' : String(range.offset + range.length - 1);
  const bytes = range ? { Range: `bytes=${range.offset}-${end}` } : {};
  const asked = new GetObjectCommand({ Bucket: bucket, Key: key, ...bytes });
  try {
    const answer = await client.send(asked, signal ? { abortSignal: signal } : {});
    const { Body, ContentRange, ChecksumCRC32: crc, ChecksumSHA256: sha256 } = answer;
    if (range && range.offset > 0 && ContentRange?.startsWith(`bytes ${range.offset}-`) !== true) {
      (Body as Readable).on('error', () => undefined).destroy();
      throw new ObjectStoreUnavailableError('it gives other bytes of an object than it is asked for');
    }
    const told = range || crc === undefined || isOfParts(crc) ? {} : { crc32: crc };
    const isWhole = !range && !told.crc32 && sha256 !== undefined && !isOfParts(sha256);
    return { body: Body as Readable, ...told, isWhole };
  } catch (error) {
    signal?.throwIfAborted();
    // A range behind the end is empty, as on a file system.
    if (statusOf(error) === 416) return nothingLeft();
    throw error instanceof ObjectStoreUnavailableError ? error : translate(error, key);
  }
}

/** Connections that one reader may lose while it waits: a server or a balancer that is restarted takes one or two. */
const lossesMax = 3;

const nothingLeft = (): S3Answer => ({ body: Readable.from([]), isWhole: false });

/** A checksum of checksums, `…-3`. */
const isOfParts = (checksum: string): boolean => checksum.includes('-');

/** What is left of it behind so many bytes. */
export function rangeFrom(range: ByteRange | undefined, from: number): ByteRange | undefined {
  if (from === 0) return range;
  const { offset = 0, length } = range ?? {};
  return { offset: offset + from, ...(length === undefined ? {} : { length: length - from }) };
}

/**
 * An object while it is read. An answer of which nobody takes anything for as long as the client waits for a server (a peer
 * that is slow, codecs that are busy) is cut, and connections are lost, which shows with the next read at the latest. Whoever
 * reads on then gets the rest by range, since no object ever changes. A server that gives nothing while its bytes are waited
 * for is away: that fails the reader.
 */
export class S3Download extends Readable {
  #answer: S3Answer;
  #isWaitedFor = false;
  #isCut = false;
  /** How often an answer ended too early while it was waited for. */
  #losses = 0;
  /** Of what was given so far. */
  #byteCount = 0;
  #crc = 0;
  readonly #crcTold: string | undefined;

  /** @param ask for what lies behind so many bytes */
  constructor(
    answer: S3Answer,
    private readonly ask: (from: number) => Promise<S3Answer>,
  ) {
    super();
    this.#crcTold = answer.crc32;
    this.#answer = answer;
    this.#take(answer);
  }

  override _read(): void {
    this.#isWaitedFor = true;
    if (this.#isCut) void this.#readOn();
    else this.#answer.body.resume();
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#answer.body.destroy();
    callback(error);
  }

  async #readOn(): Promise<void> {
    this.#isCut = false;
    try {
      const answer = await this.ask(this.#byteCount);
      this.#answer = answer;
      this.#take(answer);
      if (this.destroyed) answer.body.destroy();
      else answer.body.resume();
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #take({ body }: S3Answer): void {
    body.pause();
    body.on('data', (chunk: Uint8Array) => {
      this.#byteCount += chunk.byteLength;
      if (this.#crcTold !== undefined) this.#crc = crc32(chunk, this.#crc);
      if (this.push(chunk)) return;
      this.#isWaitedFor = false;
      body.pause();
    });
    // Hears what befalls it from now on, also later than its end.
    finished(body, { writable: false }, (error) => this.#ended(error ?? undefined));
  }

  #ended(error: Error | undefined): void {
    if (this.destroyed) return;
    if (!error) return this.#whole();
    const isAway = this.#isWaitedFor && (error.name === 'TimeoutError' || ++this.#losses > lossesMax);
    if (isAway || this.#answer.isWhole) return void this.destroy(error);
    if (this.#isWaitedFor) void this.#readOn();
    else this.#isCut = true;
  }

  /** The SDK verifies an answer; what came in several is held against the first here. */
  #whole(): void {
    if (this.#crcTold === undefined || base64OfCrc(this.#crc) === this.#crcTold) this.push(null);
    else this.destroy(new ObjectStoreUnavailableError('what it gave has another checksum than what it keeps'));
  }
}
