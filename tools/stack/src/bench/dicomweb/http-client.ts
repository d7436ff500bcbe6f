import { Connection, type Exchanged, Unanswered } from './connection.js';

/** What came of a request. */
export interface Answered {
  readonly status: number;
  /** Keyed in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** From when it was asked, waiting for a connection included, to the answer's head, and to its last byte, in milliseconds. */
  readonly headMs: number;
  readonly ms: number;
  /** Of the body as it came over the connection, content coding and multipart included. */
  readonly byteCount: number;
  /** The body, where it was to be kept. */
  readonly body: Buffer | undefined;
}

export interface Ask {
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent with its length, and not copied. */
  readonly body?: readonly Uint8Array[];
  /** Whether the answer's body is kept: it is only counted otherwise, so that the client costs little. */
  readonly keep?: boolean;
}

/**
 * One client over connections that stay open, of HTTP/1.1 alone. It shares the machine with the servers, and a client that costs
 * more than what it measures measures itself: Node's allocates for each read and copies each piece of a body once more, which was
 * more than a server takes to send it. So it is a client of its own, which parses and decodes nothing but the framing. A viewer has
 * six connections at most (RFC 9112 9.4 leaves the number to the client).
 */
export class HttpClient {
  readonly #target: { readonly host: string; readonly port: number };
  readonly #authority: string;
  readonly #prefix: string;
  /** All that are open, and those of them that nobody uses, the last one used at the end. */
  readonly #open = new Set<Connection>();
  readonly #idle: Connection[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #closed = false;

  /**
   * @param base URL without a slash at the end; paths of requests come behind it
   * @param connections at once; who asks for one more waits, in order
   * @throws {RangeError} for another scheme than http
   */
  constructor(
    private readonly base: string,
    private readonly connections = 1,
  ) {
    const { protocol, hostname, port, host, pathname } = new URL(base);
    if (protocol !== 'http:') throw new RangeError(`${base} is not http://`);
    this.#target = { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? 80 : Number(port) };
    this.#authority = host;
    this.#prefix = pathname === '/' ? '' : pathname;
  }

  /** @throws when the status is another than 200, or the connection breaks */
  async ask(path: string, options: Ask = {}): Promise<Answered> {
    const began = performance.now();
    const { answer, headAt, endAt } = await this.#send(path, options);
    if (answer.status !== 200)
      throw new Error(`${options.method ?? 'GET'} ${this.base}${path} is answered with ${answer.status}`);
    const { status, headers, byteCount, body } = answer;
    return { status, headers, headMs: headAt - began, ms: endAt - began, byteCount, body };
  }

  async #send(path: string, ask: Ask): Promise<Exchanged> {
    const pieces = [this.#headOf(path, ask), ...(ask.body ?? [])];
    await this.#turn();
    try {
      for (;;) {
        const connection = this.#connection();
        try {
          return await connection.exchange({ pieces, keep: ask.keep ?? false });
        } catch (error) {
          // The server may close a connection that was idle while the request is on its way: GET is sent again (RFC 9112 9.3.1).
          const again = error instanceof Unanswered && connection.requests > 1 && ask.method !== 'POST';
          if (!again || this.#closed) throw error;
        } finally {
          if (connection.usable) this.#idle.push(connection);
          else this.#open.delete(connection);
        }
      }
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#busy--;
    }
  }

  /** Whoever ends gives its turn to the one that has waited longest. */
  async #turn(): Promise<void> {
    if (this.#busy < this.connections) this.#busy++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #connection(): Connection {
    if (this.#closed) throw new Error(`the client of ${this.base} is closed`);
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      if (idle.usable) return idle;
      this.#open.delete(idle);
    }
    const opened = new Connection(this.#target);
    this.#open.add(opened);
    return opened;
  }

  /** @throws {RangeError} for what would be read as another request */
  #headOf(path: string, { method = 'GET', headers = {}, body }: Ask): Buffer {
    const length = body?.reduce((sum, { byteLength }) => sum + byteLength, 0) ?? (method === 'POST' ? 0 : undefined);
    const sized = length === undefined ? {} : { 'content-length': String(length) };
    const fields = Object.entries({ host: this.#authority, ...headers, ...sized });
    if (!/^[\x21-\x7e]*$/.test(path)) throw new RangeError('a path is of printable ASCII without spaces');
    if (!fields.every(([name, value]) => /^[\w-]+$/.test(name) && /^[\t\x20-\x7e]*$/.test(value)))
      throw new RangeError('a header is of printable ASCII');
    const lines = [`${method} ${this.#prefix}${path} HTTP/1.1`, ...fields.map(([name, value]) => `${name}: ${value}`)];
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
  }

  /** What is under way fails. */
  close(): void {
    this.#closed = true;
    for (const connection of this.#open) connection.close();
  }
}

const boundary = 'a-bench-boundary';

/** A STOW-RS request of these objects (PS3.18 10.5.1.2.1). */
export function stowRequest(objects: readonly Uint8Array[]): Required<Pick<Ask, 'method' | 'headers' | 'body'>> {
  const head = Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
  const end = Buffer.from('\r\n');
  return {
    method: 'POST',
    headers: {
      'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
      accept: 'application/dicom+json',
    },
    body: [...objects.flatMap((bytes) => [head, bytes, end]), Buffer.from(`--${boundary}--\r\n`)],
  };
}

/**
 * So many clients, each of which asks again when it is answered, until `count` requests have been sent.
 * @param one sends the request of that number on behalf of that client, and gives what its time was
 * @returns those times, in the order in which they were known
 */
export async function closedLoop(
  clients: number,
  count: number,
  one: (client: number, request: number) => Promise<number>,
): Promise<number[]> {
  const times: number[] = [];
  let next = 0;
  const client = async (number: number): Promise<void> => {
    while (next < count) times.push(await one(number, next++));
  };
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  return times;
}
