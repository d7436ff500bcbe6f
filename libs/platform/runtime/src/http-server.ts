import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { assertBindAllowed, isLoopback } from '@callosum/config';
import type { Telemetry } from '@callosum/telemetry';

import { BrokenConnections } from './broken-off.js';
import { continueOnceRead } from './expect-continue.js';
import { oneAtATime } from './one-at-a-time.js';
import { innerTarget, prefixOf } from './path-prefix.js';
import { answersProbe, type ProbedProcess } from './probes.js';
import { readTarget } from './request-target.js';
import type { RunningService } from './start-service.js';
import { endBehind, isCodedForTransfer } from './transfer-coding.js';

export interface HttpServerOptions extends ProbedProcess {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly telemetry: Telemetry;
  /**
   * Base URL people reach the site under: requests for its host are served, beside loopback's. Its path is the prefix of all
   * paths, and comes off here where a proxy has left it on.
   */
  readonly publicUrl: string;
  /** Whether the services ask callers for tokens: then other addresses than loopback may be bound. */
  readonly authenticated: boolean;
  /** Whether /metrics is answered here; where it is not, it has a port of its own. */
  readonly metrics: boolean;
  /** Answers `/` and whatever no service claims; returns false to leave it at 404. */
  readonly pages?: (request: IncomingMessage, response: ServerResponse) => boolean;
  readonly limits?: Partial<HttpLimits>;
}

export interface RunningHttpServer {
  readonly port: number;
  /** Resolves when no request runs; those left at the end of the grace are cut off. */
  drained(): Promise<void>;
  /** Stops accepting, and cuts off who is left. */
  close(): Promise<void>;
}

export interface HttpLimits {
  /** Longer than any sane header phase; a slow loris gives up its socket here. */
  readonly headersTimeoutMs: number;
  /**
   * A connection on which nothing moves for this long is cut, also inside a body. A large STOW over a slow line takes
   * hours and is not; the slowest answer, of a decision that waits for a delivery under way, takes 65 s.
   */
  readonly idleTimeoutMs: number;
  /** Some hundred viewers with six connections each; the memory of what they store has limits of its own. */
  readonly connectionsMax: number;
  /**
   * Request line and headers: the 1,000 UIDs that a search may name, of 64 characters with an encoded comma each, and what
   * Node allows for the rest. A connection holds as much at most while they come.
   */
  readonly headerBytesMax: number;
}

const httpLimits: HttpLimits = {
  headersTimeoutMs: 30_000,
  idleTimeoutMs: 120_000,
  connectionsMax: 1_024,
  headerBytesMax: 1_000 * (64 + 3) + 16 * 1024,
};
/** Node looks for headers that are late this often. */
const connectionsCheckingIntervalMs = 1_000;

/** The one router: it owns the HTTP port, answers probes and metrics, and sends every other path to its service. */
export async function serveHttp(options: HttpServerOptions): Promise<RunningHttpServer> {
  assertHttpBind(options);
  const find = (path: string): RunningService | undefined =>
    options
      .services()
      .flatMap((service) => service.httpPrefixes.map((prefix) => ({ prefix, service })))
      .filter(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
      .sort((a, b) => b.prefix.length - a.prefix.length)[0]?.service;

  const prefix = prefixOf(options.publicUrl);

  const running = new Set<ServerResponse>();
  let idle: () => void = () => undefined;
  const ended = (response: ServerResponse): void => {
    running.delete(response);
    if (running.size === 0) idle();
  };
  const limits = { ...httpLimits, ...options.limits };
  const connections = new BrokenConnections();
  const handle = oneAtATime((request, response) => {
    connections.handles(request, response);
    const target = readTarget(request.url ?? '/');
    if (!target) return refuse(response, 400, 'the request target cannot be read');
    request.url = target.path;
    if (target.authority !== undefined) request.headers.host = target.authority;
    if (isCodedForTransfer(request)) return refuseCoded(request, response);
    // Probes come by address, and from whoever watches the process.
    if (answersProbe(pathOf(request.url), options, response)) return;
    // A page of another site has no token to send along; names need not be known then.
    if (!options.authenticated && !isOurHost(request.headers.host, options.publicUrl))
      return refuse(response, 421, 'this host is not served here');
    // No text of DICOM or FHIR holds U+0000, and PostgreSQL's cannot.
    if (/%00/.test(request.url)) return refuse(response, 400, 'the request holds a null character');
    request.url = innerTarget(request.url, prefix, (path) => find(path) !== undefined);
    const path = pathOf(request.url);
    // The page of the site links to them.
    if (prefix !== '' && answersProbe(path, options, response)) return;
    if (options.metrics && path === '/metrics') return options.telemetry.handleMetrics(request, response);
    if (options.drain.began.aborted) return refuseDraining(response);
    running.add(response);
    response.once('close', () => ended(response));
    const service = find(path);
    if (service) return service.handle(request, response);
    if (options.pages?.(request, response)) return;
    if (!options.started()) return refuseStarting(response);
    refuse(response, 404, 'nothing is here');
  });
  const server = createServer(
    {
      headersTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(connectionsCheckingIntervalMs, limits.headersTimeoutMs),
      requestTimeout: 0,
      maxHeaderSize: limits.headerBytesMax,
    },
    handle,
  );
  server.on('checkContinue', (request, response) => {
    continueOnceRead(request, response);
    handle(request, response);
  });
  server.on('clientError', (error, socket) => connections.broke(error, socket));
  server.timeout = limits.idleTimeoutMs;
  server.maxConnections = limits.connectionsMax;
  await listen(server, options.host, options.port);
  return {
    port: (server.address() as AddressInfo).port,
    drained: async () => {
      if (running.size === 0) return;
      const lastEnded = new Promise<void>((resolve) => (idle = resolve));
      await options.drain.within(lastEnded, () => running.forEach(({ socket }) => socket?.destroy()));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const pathOf = (target: string): string => target.split('?', 1)[0] ?? '/';

/** @throws {UnauthenticatedBindError} */
export function assertHttpBind({ host, authenticated }: Pick<HttpServerOptions, 'host' | 'authenticated'>): void {
  assertBindAllowed('CALLOSUM_HTTP_HOST', host, {
    on: authenticated,
    needs: 'CALLOSUM_AUTH_OIDC_ISSUER and CALLOSUM_AUTH_OIDC_AUDIENCE (and terminate TLS in front)',
  });
}

/**
 * True for loopback names and the site's public one. While loopback is the only protection, a page of another site
 * whose name resolves to 127.0.0.1 must not read this one (DNS rebinding).
 */
function isOurHost(header: string | undefined, publicUrl: string): boolean {
  if (header === undefined) return false;
  const hostname = header.replace(/:\d*$/, '').toLowerCase();
  return isLoopback(hostname) || hostname === new URL(publicUrl).hostname;
}

const problem = (status: number, detail: string): string =>
  JSON.stringify({ type: `urn:callosum:http.${status}`, title: `http.${status}`, status, detail });

function refuse(response: ServerResponse, status: number, detail: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(problem(status, detail));
}

/** RFC 9112 6.1. */
function refuseCoded(request: IncomingMessage, response: ServerResponse): void {
  const body = Buffer.from(problem(501, 'send bodies without a transfer coding beside chunked'));
  response.setHeader('connection', 'close').setHeader('content-length', body.length);
  response.writeHead(501, { 'content-type': 'application/problem+json' }).write(body);
  endBehind(request, response);
}

/** To a balancer that has not heard yet: ask another replica, on another connection. */
function refuseDraining(response: ServerResponse): void {
  response.setHeader('connection', 'close').setHeader('retry-after', '5');
  refuse(response, 503, 'this process is ending');
}

/** The service that will answer may not be there yet: 404 would say that what is asked for is not. */
function refuseStarting(response: ServerResponse): void {
  response.setHeader('retry-after', '5');
  refuse(response, 503, 'this process is starting');
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
