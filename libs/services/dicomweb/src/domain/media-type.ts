import { BadRequestError } from './errors/door.js';

/** A media type with its parameters; names lower-case, values as given without quotes. */
export interface MediaType {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  /** Weight, 0 to 1 (RFC 9110 12.4.2). */
  readonly quality: number;
}

/** Longer than any client's honest header. */
const headerCharsMax = 4096;
const token = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;

/**
 * Reads a Content-Type or Accept header (RFC 9110 5.6.6, 12.5.1): a list of media types with quoted parameters.
 * @throws {BadRequestError} when it is none
 */
export function parseMediaTypes(header: string): MediaType[] {
  if (header.length > headerCharsMax) throw new BadRequestError('a media type header is too long');
  const reader = new Reader(header);
  const found: MediaType[] = [];
  do {
    reader.skip(', ');
    if (reader.done) break;
    found.push(reader.mediaType());
  } while (reader.take(','));
  if (!reader.done) throw new BadRequestError('a media type header cannot be read');
  return found;
}

/**
 * Reads an Accept header, or the `accept` parameter (RFC 9110 12.5.1). An element of the list that cannot be read is left
 * out, as 5.6.1 would have lists read and a client can do little about what its library sends. A bare `*` stands for
 * any type: `HttpURLConnection` of Java sends it to every server.
 * @throws {BadRequestError} when nothing of it can be read
 */
export function parseMediaRanges(header: string): MediaType[] {
  if (header.length > headerCharsMax) throw new BadRequestError('a media type header is too long');
  const all = readable(header);
  if (all) return all;
  const found = elementsOf(header).flatMap((element) => readable(element.replace(/^\*(?=$|[ \t]*;)/, '*/*')) ?? []);
  if (found.length === 0) throw new BadRequestError('a media type header cannot be read');
  return found;
}

/** Undefined for what cannot be read. */
function readable(text: string): MediaType[] | undefined {
  try {
    return parseMediaTypes(text);
  } catch (error) {
    if (error instanceof BadRequestError) return undefined;
    throw error;
  }
}

/** The elements of a list, trimmed: what stands between commas that are not quoted (RFC 9110 5.6.1). */
function elementsOf(list: string): readonly string[] {
  const elements: string[] = [];
  let begin = 0;
  let isQuoted = false;
  for (let at = 0; at <= list.length; at++) {
    const character = list[at];
    if (isQuoted && character === '\\') at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (at >= list.length || (character === ',' && !isQuoted)) {
      elements.push(list.slice(begin, at).trim());
      begin = at + 1;
    }
  }
  // A backslash at the very end passes it.
  if (begin < list.length) elements.push(list.slice(begin).trim());
  return elements;
}

/** A weight, 0 to 1 (RFC 9110 12.4.2): 1 where none is given, and where what is given is none. */
export function readWeight(text: string | undefined): number {
  const weight = text === undefined || text === '' ? 1 : Number(text);
  return weight >= 0 && weight <= 1 ? weight : 1;
}

class Reader {
  #at = 0;

  constructor(private readonly text: string) {}

  get done(): boolean {
    return this.#at >= this.text.length;
  }

  mediaType(): MediaType {
    const type = `${this.#token()}/${(this.#expect('/'), this.#token())}`.toLowerCase();
    const parameters = new Map<string, string>();
    this.skip(' \t');
    while (this.take(';')) {
      this.skip(' \t');
      if (this.done || this.text[this.#at] === ';' || this.text[this.#at] === ',') continue;
      const name = this.#token().toLowerCase();
      this.#expect('=');
      parameters.set(name, this.text[this.#at] === '"' ? this.#quoted() : this.#parameterValue());
      this.skip(' \t');
    }
    return { type, parameters, quality: readWeight(parameters.get('q')) };
  }

  skip(characters: string): void {
    while (!this.done && characters.includes(this.text[this.#at] ?? '')) this.#at++;
  }

  take(character: string): boolean {
    if (this.text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #expect(character: string): void {
    if (!this.take(character)) throw new BadRequestError('a media type header cannot be read');
  }

  #token(): string {
    token.lastIndex = this.#at;
    const match = token.exec(this.text);
    if (!match) throw new BadRequestError('a media type header cannot be read');
    this.#at = token.lastIndex;
    return match[0];
  }

  /** Clients leave out the quotes around type=application/dicom: everything up to a separator is taken. */
  #parameterValue(): string {
    const start = this.#at;
    while (!this.done && !';, \t'.includes(this.text[this.#at] ?? '')) this.#at++;
    return this.text.slice(start, this.#at);
  }

  #quoted(): string {
    this.#at++;
    let value = '';
    for (; !this.done; this.#at++) {
      const character = this.text[this.#at];
      if (character === '"') {
        this.#at++;
        return value;
      }
      if (character === '\\') this.#at++;
      value += this.text[this.#at] ?? '';
    }
    throw new BadRequestError('a media type header cannot be read');
  }
}
