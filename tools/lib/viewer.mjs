// The viewer: @ohif/app's built `dist`, fetched with `npm pack` and verified against a pinned hash. Not a dependency:
// its own dependency tree is large and only needed to build it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

import { root, say } from './setup.mjs';

const version = '3.13.2';
const sha512 = 'WZdxmpmG7rqFgW9ZJLcbgr3XCtLi1KDNPoMaeY5PPe6j4G4fjEjjkycZM6C6Zk2F87BKxFfpq+jd5xXZB9E8EA==';
export const viewerDir = join(root, '.tools', `ohif-${version}`);

/** Puts the viewer under .tools and its folder into CALLOSUM_VIEWER_DIR. Without network it says so and goes on. */
export async function fetchViewer() {
  process.env.CALLOSUM_VIEWER_DIR ??= viewerDir;
  if (existsSync(join(viewerDir, 'index.html'))) return;
  say(`fetching the viewer, OHIF ${version} (once; 50 MB) …`);
  const staging = join(root, '.tools', `ohif-staging-${process.pid}`);
  mkdirSync(staging, { recursive: true });
  try {
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
    const pack = spawnSync(npm, ['pack', `@ohif/app@${version}`, '--silent', '--pack-destination', staging], {
      cwd: staging,
      stdio: ['ignore', 'ignore', 2],
      shell: process.platform === 'win32',
    });
    const tarball = readdirSync(staging).find((name) => name.endsWith('.tgz'));
    if (pack.status !== 0 || !tarball)
      return say('the viewer could not be fetched: /viewer will say so; everything else works');
    const digest = createHash('sha512')
      .update(readFileSync(join(staging, tarball)))
      .digest('base64');
    if (digest !== sha512) throw new Error(`the viewer's package is not the one that was reviewed (sha512 ${digest})`);
    await unpack(join(staging, tarball), staging);
    renameSync(join(staging, 'package', 'dist'), viewerDir);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Only the built files, and only inside `folder`: a machine needs no tar for `npm start`. */
async function unpack(tarball, folder) {
  const { default: tar } = await import('tar-stream');
  const entries = tar.extract();
  entries.on('entry', (header, content, next) => {
    const { name, type } = header;
    const safe = /^package\/dist\/[^\0\\]+$/.test(name) && !name.split('/').includes('..');
    if (type !== 'file' || !safe) {
      content.once('end', next).resume();
      return;
    }
    const path = join(folder, name);
    mkdirSync(dirname(path), { recursive: true });
    pipeline(content, createWriteStream(path)).then(() => next(), next);
  });
  await pipeline(createReadStream(tarball), createGunzip(), entries);
}
