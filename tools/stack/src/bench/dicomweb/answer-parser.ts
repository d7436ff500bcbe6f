/** Of a head, of a chunk's first line, of trailers: what Node's HTTP takes of each. */
const linesBytesMax = 16 * 1024;
const lineFeed = 10;

const statusLine = /^HTTP\/1\.1 ([1-9]\d\d)(?: .*)?$/;
const fieldLine = /^([!#$%&'*+.^`|~\w-]+):[ \t]*(.*?)[ \t]*$/;
const chunkLine = /^([\da-f]+)[ \t]*(?:;.*)?$/i;

/** What comes next. */
type Next = 'status' | 'field' | 'bytes' | 'chunk size' | 'chunk end' | 'trailer' | 'nothing';

/**
 * One answer of HTTP/1.1 (RFC 9112) as it comes: its framing, and nothing else. What it is given is read where it lies: the bytes of
 * a body cost a subtraction, unless they are kept.
 */
export class AnswerParser {
  #next: Next = 'status';
  /** Position in what is read now. */
  #at = 0;
  /** Of a line whose end has not come, and bytes of this and the lines before that belong together. */
  #line = '';
  #linesBytes = 0;
  #status = 0;
  readonly #fields = new Map<string, string>();
  #begun = false;
  #headRead = false;
  #chunked = false;
  #persists = true;
  /** Of the body, or of this chunk. */
  #left = 0;
  #byteCount = 0;
  readonly #kept: Buffer[] = [];

  /** @param keep whether the body is copied out of what is read, or only counted */
  constructor(private readonly keep = false) {}

  get status(): number {
    return this.#status;
  }

  /** Keyed in lower case; those that came more than once are one list (RFC 9110 5.3). */
  get headers(): Readonly<Record<string, string>> {
    return Object.fromEntries(this.#fields);
  }

  /** Of the body, as far as it is read, without its framing. */
  get byteCount(): number {
    return this.#byteCount;
  }

  get body(): Buffer | undefined {
    return this.keep ? Buffer.concat(this.#kept) : undefined;
  }

  /** Whether anything of it has come. */
  get begun(): boolean {
    return this.#begun;
  }

  get headRead(): boolean {
    return this.#headRead;
  }

  get done(): boolean {
    return this.#next === 'nothing';
  }

  /** Whether its connection takes another request afterwards (RFC 9112 9.3). */
  get persists(): boolean {
    return this.#persists;
  }

  /**
   * @param count of the bytes at the beginning of `bytes` that were read
   * @returns how many of them belong to this answer: fewer when it ends before
   * @throws when this is no answer of HTTP/1.1
   */
  push(bytes: Buffer, count: number): number {
    this.#at = 0;
    this.#begun ||= count > 0;
    while (this.#at < count && this.#next !== 'nothing')
      if (this.#next === 'bytes') this.#takeBytes(bytes, count);
      else this.#takeLine(bytes, count);
    return this.#at;
  }

  /** The connection has ended. @throws when the answer has not */
  end(): void {
    if (this.#next === 'bytes' && this.#left === Infinity) this.#next = 'nothing';
    if (!this.done) throw new Error(`the connection ended where ${this.#next} of an answer was to come`);
  }

  #takeBytes(bytes: Buffer, count: number): void {
    const end = Math.min(count, this.#at + this.#left);
    if (this.keep) this.#kept.push(Buffer.from(bytes.subarray(this.#at, end)));
    this.#byteCount += end - this.#at;
    this.#left -= end - this.#at;
    this.#at = end;
    if (this.#left === 0) this.#next = this.#chunked ? 'chunk end' : 'nothing';
  }

  #takeLine(bytes: Buffer, count: number): void {
    const found = bytes.indexOf(lineFeed, this.#at);
    // What lies behind `count` is of a read before.
    const ends = found >= 0 && found < count;
    const end = ends ? found + 1 : count;
    this.#linesBytes += end - this.#at;
    if (this.#linesBytes > linesBytesMax)
      throw new Error(`an answer has more than ${linesBytesMax} bytes where ${this.#next} was to come`);
    this.#line += bytes.toString('latin1', this.#at, end);
    this.#at = end;
    if (!ends) return;
    const line = this.#line.slice(0, -2);
    // Who takes another end of a line than CRLF may find other lines than the server wrote (RFC 9112 2.2).
    if (!this.#line.endsWith('\r\n') || /[\0\r]/.test(line)) throw malformed(this.#next);
    this.#line = '';
    this.#takeWholeLine(line);
  }

  #takeWholeLine(line: string): void {
    switch (this.#next) {
      case 'status':
        this.#status = Number(match(statusLine, line, 'status')[1]);
        this.#next = 'field';
        break;
      case 'field':
        if (line === '') this.#takeHead();
        else this.#takeField(line);
        break;
      case 'chunk size':
        this.#linesBytes = 0;
        this.#left = Number.parseInt(match(chunkLine, line, 'chunk size')[1] ?? '', 16);
        if (!Number.isSafeInteger(this.#left)) throw malformed('chunk size');
        this.#next = this.#left === 0 ? 'trailer' : 'bytes';
        break;
      case 'chunk end':
        if (line !== '') throw malformed('chunk end');
        this.#linesBytes = 0;
        this.#next = 'chunk size';
        break;
      case 'trailer':
        // Nobody asks for them (RFC 9110 6.5.1).
        if (line === '') this.#next = 'nothing';
        else match(fieldLine, line, 'trailer');
        break;
      case 'bytes':
      case 'nothing':
        break;
    }
  }

  #takeField(line: string): void {
    const [, name = '', value = ''] = match(fieldLine, line, 'field');
    const key = name.toLowerCase();
    const before = this.#fields.get(key);
    if (key === 'content-length' && before !== undefined) throw malformed('field');
    this.#fields.set(key, before === undefined ? value : `${before}, ${value}`);
  }

  /** How long the body is (RFC 9112 6.3). */
  #takeHead(): void {
    this.#linesBytes = 0;
    if (this.#status < 200) return this.#takeInterim();
    this.#headRead = true;
    this.#persists = !this.#said('connection')
      .split(/[ \t]*,[ \t]*/)
      .includes('close');
    const coding = this.#said('transfer-encoding');
    const length = this.#said('content-length');
    if (this.#status === 204 || this.#status === 304) this.#next = 'nothing';
    else if (this.#fields.has('transfer-encoding')) {
      // Which of the two holds is what smuggled answers live on.
      if (coding !== 'chunked' || this.#fields.has('content-length')) throw malformed('field');
      this.#chunked = true;
      this.#next = 'chunk size';
    } else if (this.#fields.has('content-length')) {
      this.#left = /^\d+$/.test(length) ? Number(length) : Number.NaN;
      if (!Number.isSafeInteger(this.#left)) throw malformed('field');
      this.#next = this.#left === 0 ? 'nothing' : 'bytes';
    } else {
      this.#persists = false;
      this.#left = Infinity;
      this.#next = 'bytes';
    }
  }

  /** The answer proper is still to come (RFC 9110 15.2). */
  #takeInterim(): void {
    // Nobody has asked for another protocol.
    if (this.#status === 101) throw malformed('status');
    this.#fields.clear();
    this.#next = 'status';
  }

  #said(name: string): string {
    return (this.#fields.get(name) ?? '').toLowerCase();
  }
}

const malformed = (what: Next): Error => new Error(`the ${what} of an answer is not HTTP/1.1`);

function match(pattern: RegExp, line: string, what: Next): RegExpExecArray {
  const found = pattern.exec(line);
  if (!found) throw malformed(what);
  return found;
}
