import { createReadStream, readFileSync, statSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request as ask,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, resolve, sep } from 'node:path';

import { root } from './paths.js';

export interface Listening {
  readonly origin: string;
  stop(): Promise<void>;
}

/** A proxy as sites have it in front of several applications: what is not below the prefix belongs to another one. */
export interface ProxyOptions {
  /** On 127.0.0.1. */
  readonly port: number;
  readonly targetPort: number;
  /** "/pacs". */
  readonly prefix: string;
  /** Whether it takes the prefix off, as `proxy_pass http://host/` of nginx does, or leaves it on, as without the slash. */
  readonly strips: boolean;
}

export function startProxy({ port, targetPort, prefix, strips }: ProxyOptions): Promise<Listening> {
  return listen(port, (request, response) => {
    const url = request.url ?? '/';
    if (url !== prefix && !url.startsWith(`${prefix}/`))
      return void response.writeHead(404).end('another application\n');
    const path = strips ? url.slice(prefix.length) || '/' : url;
    const { method, headers } = request;
    const onward = ask({ host: '127.0.0.1', port: targetPort, method, path, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
}

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css',
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.json': 'application/json',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

/** OHIF as a site serves it by itself, at the root of an origin of its own, told to ask another one. */
export function serveOhif(port: number, dicomweb: string): Promise<Listening> {
  const folder = resolve(process.env['CALLOSUM_VIEWER_DIR'] ?? join(root, '.tools/ohif-3.13.2'));
  const config = configOf(dicomweb);
  return listen(port, (request, response) => {
    const path = decodeURIComponent((request.url ?? '/').split('?', 1)[0] ?? '/');
    const asked = resolve(folder, `.${path}`);
    const file = asked.startsWith(folder + sep) && isFile(asked) ? asked : join(folder, 'index.html');
    response.setHeader('content-type', types[extname(file)] ?? 'application/octet-stream');
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    if (path === '/app-config.js') response.end(config);
    else createReadStream(file).pipe(response);
  });
}

/** An empty page, and files beside it by their paths. */
export function servePage(port: number, files: Readonly<Record<string, string>>): Promise<Listening> {
  return listen(port, (request, response) => {
    const file = files[request.url ?? ''];
    response.setHeader('content-type', file === undefined ? 'text/html' : 'text/javascript');
    if (file === undefined) response.end('<!doctype html><title>elsewhere</title>');
    else createReadStream(file).pipe(response);
  });
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** The one that the platform guide gives, with another address. */
function configOf(dicomweb: string): string {
  const guide = readFileSync(join(root, 'docs/guides/platform.md'), 'utf8');
  const [, config] = /^```js\n(window\.config = .*?)^```$/ms.exec(guide) ?? [];
  if (config === undefined) throw new Error('the platform guide has no configuration of OHIF');
  return config.replaceAll('https://pacs.hospital.example/dicom-web', dicomweb);
}

function listen(
  port: number,
  handle: RequestListener<typeof IncomingMessage, typeof ServerResponse>,
): Promise<Listening> {
  const server = createServer(handle);
  return new Promise((done, failed) => {
    server.once('error', failed);
    server.listen(port, '127.0.0.1', () =>
      done({
        origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        stop: () =>
          new Promise((stopped) => {
            server.close(() => stopped());
            server.closeAllConnections();
          }),
      }),
    );
  });
}
