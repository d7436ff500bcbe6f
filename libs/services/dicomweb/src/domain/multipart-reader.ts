import { BadRequestError, TooLargeError } from './errors/door.js';

export interface MultipartLimits {
  readonly partsMax: number;
  readonly partBytesMax: number;
  readonly bytesMax: number;
}

export interface MultipartPart {
  /** Header names lower-case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The part's bytes; read to its end, or left: the reader skips what was not read. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Characters of RFC 2046 5.1.1; longer than its 70, since Orthanc's client sends 73 (two UUIDs). */
const boundaryPattern = /^[0-9A-Za-z'()+_,./:=? -]{0,199}[0-9A-Za-z'()+_,./:=?-]$/;
/** A part's header block; content type, location and a description are some hundred bytes. */
const headerBytesMax = 16 * 1024;
/** Bytes a sender may put before the first boundary. */
const preambleBytesMax = 64 * 1024;
const crlf = Buffer.from('\r\n');
const blankLine = Buffer.from('\r\n\r\n');

/**
 * Reads multipart/related (RFC 2387, RFC 2046 5.1) as a stream: one part at a time, memory bounded by one chunk of the
 * source and a boundary. The source is only read on as the part's consumer asks for more.
 */
export class MultipartReader {
  readonly #delimiter: Buffer;
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer: Buffer = Buffer.alloc(0);
  #received = 0;
  #sourceEnded = false;
  /** True while the bytes ahead belong to a part's body, read or not. */
  #inBody = false;

  /** @throws {BadRequestError} for a boundary that is none */
  constructor(
    source: AsyncIterable<Uint8Array>,
    boundary: string,
    private readonly limits: MultipartLimits,
  ) {
    if (!boundaryPattern.test(boundary)) throw new BadRequestError('the multipart boundary is missing or not valid');
    this.#delimiter = Buffer.from(`\r\n--${boundary}`);
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @throws {BadRequestError} malformed or cut off, @throws {TooLargeError} past a limit */
  async *parts(): AsyncGenerator<MultipartPart> {
    // The first delimiter may stand at the very beginning: a line end before it makes all delimiters alike.
    this.#buffer = Buffer.from(crlf);
    await this.#skipPreamble();
    for (let count = 1; !(await this.#atClose()); count++) {
      if (count > this.limits.partsMax) throw new TooLargeError(`more than ${this.limits.partsMax} parts`);
      const headers = await this.#headers();
      this.#inBody = true;
      yield { headers, body: this.#body() };
      // Whatever the consumer left of the part. Its generator may be closed in the middle: a new one goes on from there.
      for await (const _left of this.#body());
    }
  }

  async #skipPreamble(): Promise<void> {
    for (let skipped = 0; skipped <= preambleBytesMax;) {
      const at = this.#buffer.indexOf(this.#delimiter);
      if (at >= 0) {
        this.#buffer = this.#buffer.subarray(at + this.#delimiter.length);
        return;
      }
      const begun = this.#begunDelimiter();
      skipped += begun;
      this.#buffer = this.#buffer.subarray(begun);
      if (!(await this.#more())) throw new BadRequestError('the request holds no part with its boundary');
    }
    throw new BadRequestError('the boundary does not begin the request');
  }

  /** After a delimiter: "--" closes, a line end opens a part. Blanks may stand before the line end. */
  async #atClose(): Promise<boolean> {
    for (;;) {
      const text = this.#buffer.subarray(0, 64).toString('latin1');
      if (text.startsWith('--')) return true;
      const padding = /^[ \t]*\r\n/.exec(text);
      if (padding) {
        // The line end stays: a part without headers begins with the blank line it is part of.
        this.#buffer = this.#buffer.subarray(padding[0].length - crlf.length);
        return false;
      }
      if (text.length >= 64 || !/^[ \t]*\r?$|^-$/.test(text))
        throw new BadRequestError('a multipart boundary is malformed');
      if (!(await this.#more())) throw new BadRequestError('the request is cut off');
    }
  }

  async #headers(): Promise<ReadonlyMap<string, string>> {
    for (;;) {
      const end = this.#buffer.indexOf(blankLine);
      if (end >= 0 && end <= headerBytesMax) {
        const text = this.#buffer.subarray(crlf.length, Math.max(end, crlf.length)).toString('latin1');
        // The line end before a delimiter that follows at once belongs to the delimiter.
        this.#buffer = this.#buffer.subarray(end + blankLine.length);
        return parseHeaders(text);
      }
      if (this.#buffer.length > headerBytesMax) throw new TooLargeError('the headers of a part are too long');
      if (!(await this.#more())) throw new BadRequestError('the request is cut off');
    }
  }

  async *#body(): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    const count = (chunk: Buffer): Buffer => {
      bytes += chunk.length;
      if (bytes > this.limits.partBytesMax)
        throw new TooLargeError(`a part is larger than ${this.limits.partBytesMax} bytes`);
      return chunk;
    };
    while (this.#inBody) {
      const at = this.#buffer.indexOf(this.#delimiter);
      if (at >= 0) {
        const last = this.#buffer.subarray(0, at);
        this.#buffer = this.#buffer.subarray(at + this.#delimiter.length);
        this.#inBody = false;
        if (last.length > 0) yield count(last);
        return;
      }
      // Nearly always all of it: what came goes on without being copied.
      const chunk = this.#buffer.subarray(0, this.#begunDelimiter());
      this.#buffer = this.#buffer.subarray(chunk.length);
      if (chunk.length > 0) yield count(chunk);
      if (!(await this.#more())) throw new BadRequestError('the request is cut off');
    }
  }

  /** Where a delimiter may have begun at the end of what is here; its length where none has. */
  #begunDelimiter(): number {
    const { length } = this.#buffer;
    const first = Math.max(0, length - this.#delimiter.length + 1);
    for (let at = this.#buffer.indexOf(crlf[0] ?? 0, first); at >= 0; at = this.#buffer.indexOf(crlf[0] ?? 0, at + 1))
      if (this.#buffer.compare(this.#delimiter, 0, length - at, at) === 0) return at;
    return length;
  }

  async #more(): Promise<boolean> {
    if (this.#sourceEnded) return false;
    const { value, done } = await this.#source.next();
    if (done) {
      this.#sourceEnded = true;
      return false;
    }
    this.#received += value.length;
    if (this.#received > this.limits.bytesMax)
      throw new TooLargeError(`the request is larger than ${this.limits.bytesMax} bytes`);
    this.#buffer =
      this.#buffer.length === 0
        ? Buffer.from(value.buffer, value.byteOffset, value.length)
        : Buffer.concat([this.#buffer, value]);
    return true;
  }
}

function parseHeaders(text: string): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  // A folded line continues the one before it (RFC 5322 2.2.3).
  for (const line of text.replace(/\r\n[ \t]+/g, ' ').split('\r\n')) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    if (colon <= 0) throw new BadRequestError('a header of a part cannot be read');
    headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}
