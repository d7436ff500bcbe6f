import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';

import { oidcConfig } from '@callosum/auth';
import { PLATFORM_SETTINGS, type PlatformSettings, prefixOf, SETTINGS } from '@callosum/runtime';
import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';

import { takesCoding } from '../../domain/encoding.js';
import { evaluate } from '../../domain/etag.js';
import type { DicomwebSettings } from '../../settings.js';
import { ViewerFiles } from './viewer-files.js';
import { viewerConfig } from './viewer-config.js';

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
};

/**
 * SharedArrayBuffer, which the viewer's decoders use, needs an isolated page; nothing may come from elsewhere. Documents and
 * videos are shown as objects that the page has made (blob:) of what it got. What default-src does not speak for is said: no
 * other site frames the page, which would have clicks of its reader; it sends forms to nobody but the sign-in.
 */
const headersFor = (issuer: string | undefined) => {
  const signIn = issuer === undefined ? '' : ` ${new URL(issuer).origin}`;
  return {
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy':
      "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' 'wasm-unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; " +
      "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; worker-src 'self' blob:; object-src 'self' blob:; frame-src 'self' blob:; connect-src 'self' data: blob:" +
      // Discovery and token of the sign-in.
      `${signIn}; frame-ancestors 'self'; base-uri 'self'; form-action 'self'${signIn}`,
    'x-content-type-options': 'nosniff',
  };
};

/** OHIF as it was built, at /viewer: its files, our configuration, and index.html for the paths of its own router. */
@Controller('viewer')
export class ViewerController {
  readonly #folder: string;
  readonly #config: string;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(
    @Inject(SETTINGS) settings: DicomwebSettings,
    @Inject(PLATFORM_SETTINGS) platform: PlatformSettings,
    @Inject(ViewerFiles) private readonly files: ViewerFiles,
  ) {
    this.#folder = resolve(settings.CALLOSUM_VIEWER_DIR);
    const oidc = oidcConfig(platform);
    this.#headers = headersFor(oidc?.issuer);
    this.#config = viewerConfig(
      prefixOf(platform.CALLOSUM_PUBLIC_URL),
      oidc && {
        issuer: oidc.issuer,
        audience: oidc.audience,
        clientId: platform.CALLOSUM_AUTH_VIEWER_CLIENT_ID,
        scope: platform.CALLOSUM_AUTH_VIEWER_SCOPE,
      },
    );
  }

  @Get(['', '*'])
  async file(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    void reply.headers(this.#headers);
    const path = decode(request.url.split('?', 1)[0] ?? '').replace(/^\/viewer\/?/, '');
    if (path === 'app-config.js') return void reply.type('text/javascript; charset=utf-8').send(this.#config);
    const file = await this.#find(path);
    if (file === 'missing') return void reply.code(404).type('text/plain; charset=utf-8').send('no such file\n');
    if (file === undefined) {
      const text = 'the viewer is not installed here (CALLOSUM_VIEWER_DIR); npm start fetches it\n';
      return void reply.code(503).type('text/plain; charset=utf-8').send(text);
    }
    void reply.type(types[extname(file)] ?? 'application/octet-stream');
    // Names of built files hold their hash; the pages that name them do not.
    void reply.header(
      'cache-control',
      /\.[0-9a-f]{16,}\./.test(file) ? 'public, max-age=31536000, immutable' : 'no-cache',
    );
    const { etag, compressed } = await this.files.prepare(file);
    void reply.header('etag', etag).header('vary', 'accept-encoding');
    if (evaluate({ 'if-none-match': request.headers['if-none-match'] }, etag) === 'not-modified')
      return void reply.code(304).send();
    if (compressed === undefined) return void reply.send(createReadStream(file));
    if (!takesCoding(request.headers['accept-encoding'], 'gzip'))
      return void reply.send(Readable.from([compressed]).pipe(createGunzip()));
    void reply.header('content-encoding', 'gzip').send(compressed);
  }

  /**
   * @returns undefined where there is no viewer, 'missing' of a file that it has not, such as one that a page of another
   *   version names: index.html in its place would be run as a script
   */
  async #find(path: string): Promise<string | 'missing' | undefined> {
    const index = resolve(this.#folder, 'index.html');
    const asked = resolve(this.#folder, path);
    const inside = asked.startsWith(this.#folder + sep);
    if (inside && path !== '' && (await isFile(asked))) return asked;
    if (!(await isFile(index))) return undefined;
    return isOfPage(path) ? index : 'missing';
  }
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => undefined))?.isFile() === true;

/** A path of the viewer's own router: UIDs have points in them, and no letters behind. */
const isOfPage = (path: string): boolean => {
  const type = extname(path).toLowerCase();
  return type === '.html' || types[type] === undefined;
};

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return '';
  }
}
