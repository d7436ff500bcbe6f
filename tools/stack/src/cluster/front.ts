import { createServer, type IncomingMessage, request as ask, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';

import { innerTarget } from '@callosum/runtime';

/** A service's own HTTP port behind the front, and the paths that go there. */
export interface Behind {
  readonly prefixes: readonly string[];
  readonly port: number;
}

export interface FrontOptions {
  /** On 127.0.0.1; 0 lets the system choose. */
  readonly port: number;
  /** Path of the site's public URL without a slash at the end: passed on where it stands, as an Ingress does, and taken off there. */
  readonly prefix?: string;
  /** Read at each request: services get their ports after the front has its own. */
  readonly services: () => readonly Behind[];
  /** Answers what no service claims; returns false to leave it at 404. */
  readonly pages?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

/** Of one hop: not passed on (RFC 9110 section 7.6.1). A connection that is upgraded keeps those two. */
const hopByHop = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/**
 * One HTTP address in front of services that each have their own, by path prefix as the chart's Ingress does it. Bodies
 * stream through in both directions and are held nowhere; a side that breaks takes the other with it.
 */
export class Front {
  private constructor(
    private readonly server: Server,
    private readonly services: FrontOptions['services'],
    private readonly prefix: string,
  ) {}

  /** @throws what `listen` throws when the port is taken */
  static async listen({ port, services, pages, prefix = '' }: FrontOptions): Promise<Front> {
    // A large STOW over a slow line takes hours; each service has limits of its own.
    const server = createServer({ requestTimeout: 0 });
    const front = new Front(server, services, prefix);
    server.on('request', (request: IncomingMessage, response: ServerResponse) => front.#pass(request, response, pages));
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) =>
      front.#upgrade(request, socket, head),
    );
    // Asked whether a body may come, it is the service that answers.
    server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      front.#pass(request, response, pages),
    );
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  /** As services and pages know what is asked for. */
  #inner(url = '/'): string {
    return innerTarget(url, this.prefix, (path) => this.#claiming(path) !== undefined);
  }

  #behind(url: string | undefined): Behind | undefined {
    return this.#claiming(this.#inner(url).split('?', 1)[0] ?? '/');
  }

  #claiming(path: string): Behind | undefined {
    return this.services()
      .flatMap((service) => service.prefixes.map((prefix) => ({ prefix, service })))
      .filter(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
      .sort((a, b) => b.prefix.length - a.prefix.length)[0]?.service;
  }

  #pass(request: IncomingMessage, response: ServerResponse, pages: FrontOptions['pages']): void {
    const behind = this.#behind(request.url);
    if (!behind) {
      request.url = this.#inner(request.url);
      if (!pages?.(request, response)) refuse(response, 404, 'nothing is here');
      return;
    }
    const onward = ask(target(request, behind.port, endToEnd(request.rawHeaders)));
    onward.on('continue', () => response.writeContinue());
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEnd(answer.rawHeaders).flat());
      answer.pipe(response);
      answer.on('error', () => response.destroy());
    });
    // Once it has begun to answer, the answer itself tells whether it broke: a service may refuse what is still being sent.
    onward.on('error', () => {
      if (!response.headersSent) refuse(response, 502, 'the service does not answer');
    });
    // Whoever asked has gone: the service may stop too.
    response.on('close', () => onward.destroy());
    onward.flushHeaders();
    request.pipe(onward);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const behind = this.#behind(request.url);
    socket.on('error', () => undefined);
    if (!behind) return void socket.end('HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n');
    const onward = ask(target(request, behind.port, pairs(request.rawHeaders)));
    onward.on('upgrade', (answer, other, first) => {
      const lines = pairs(answer.rawHeaders).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.write(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\n${lines.join('')}\r\n`);
      socket.write(first);
      other.write(head);
      other.on('error', () => undefined);
      other.pipe(socket).pipe(other);
      other.on('close', () => socket.destroy());
      socket.on('close', () => other.destroy());
    });
    // The service does not upgrade: its status is all there is to say.
    onward.on('response', (answer) => {
      answer.resume();
      socket.end(`HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\nconnection: close\r\n\r\n`);
    });
    onward.on('error', () => socket.destroy());
    socket.on('close', () => onward.destroy());
    onward.end();
  }
}

type HeaderPair = [name: string, value: string];

function pairs(raw: readonly string[]): HeaderPair[] {
  return raw.flatMap((name, i): HeaderPair[] => (i % 2 === 0 ? [[name, raw[i + 1] ?? '']] : []));
}

const endToEnd = (raw: readonly string[]): HeaderPair[] =>
  pairs(raw).filter(([name]) => !hopByHop.has(name.toLowerCase()));

/** The request as it came, Host too: services make links of what people called them by. */
function target({ method, url, headers }: IncomingMessage, port: number, sent: readonly HeaderPair[]) {
  // A body whose length is not stated comes in chunks, and goes on in chunks.
  const chunked: HeaderPair[] = headers['transfer-encoding'] === undefined ? [] : [['transfer-encoding', 'chunked']];
  return { host: '127.0.0.1', port, method, path: url, headers: [...sent, ...chunked].flat(), agent: false as const };
}

function refuse(response: ServerResponse, status: number, detail: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json', connection: 'close' });
  response.end(JSON.stringify({ type: `urn:callosum:http.${status}`, title: `http.${status}`, status, detail }));
}
