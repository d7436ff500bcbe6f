import { Agent, type IncomingMessage, request } from 'node:http';

/** What came of a request. */
export interface Answered {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** From the request's first byte out to the answer's head, and to its last byte, in milliseconds. */
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
  /** Sent with its length. */
  readonly body?: readonly Uint8Array[];
  /** Whether the answer's body is kept: it is only counted otherwise, so that the client costs little. */
  readonly keep?: boolean;
}

/**
 * One client over connections that stay open: neither decodes nor parses, so that what is measured is the server. A viewer has
 * six connections at most (RFC 9112 9.4 leaves the number to the client).
 */
export class HttpClient {
  readonly #agent: Agent;

  /** @param base URL without a slash at the end; paths of requests come behind it */
  constructor(
    private readonly base: string,
    connections = 1,
  ) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** @throws when the status is another than 200, or the connection breaks */
  async ask(path: string, options: Ask = {}): Promise<Answered> {
    const answered = await this.#send(path, options);
    if (answered.status !== 200)
      throw new Error(`${options.method ?? 'GET'} ${this.base}${path} is answered with ${answered.status}`);
    return answered;
  }

  #send(path: string, { method = 'GET', headers = {}, body, keep = false }: Ask): Promise<Answered> {
    const length = body?.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const sized = length === undefined ? {} : { 'content-length': String(length) };
    return new Promise((resolve, reject) => {
      const began = performance.now();
      const sent = request(`${this.base}${path}`, {
        method,
        agent: this.#agent,
        headers: { ...headers, ...sized },
      });
      sent.once('error', reject);
      sent.once('response', (response) => {
        const headMs = performance.now() - began;
        const kept: Buffer[] = [];
        let byteCount = 0;
        response.on('data', (chunk: Buffer) => {
          byteCount += chunk.byteLength;
          if (keep) kept.push(chunk);
        });
        response.once('error', reject);
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            headMs,
            ms: performance.now() - began,
            byteCount,
            body: keep ? Buffer.concat(kept) : undefined,
          }),
        );
      });
      for (const bytes of body ?? []) sent.write(bytes);
      sent.end();
    });
  }

  close(): void {
    this.#agent.destroy();
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
