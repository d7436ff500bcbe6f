import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { services } from '@callosum/all-in-one/services';
import { type S3Client } from '@aws-sdk/client-s3';
import { startPostgres, startS3, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { repositoryRoot } from './repository.js';

// What the Dockerfile's build stage does, into a folder of this machine: no container engine runs in CI. The processes run
// as `nobody`, who owns their data folder and may write nowhere in the runtime folder, which root owns, as in the image.
const folder = mkdtempSync(join(tmpdir(), 'callosum-image-'));
const app = join(folder, 'app');
const home = join(folder, 'home');
const root = process.getuid?.() === 0;
const user = root ? { uid: 65534, gid: 65534 } : {};
const running: ChildProcess[] = [];

/** A cold start on a busy machine. */
const upMs = 120_000;

beforeAll(() => {
  execFileSync(process.execPath, ['deploy/docker/assemble.mjs', app], {
    cwd: repositoryRoot,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  mkdirSync(home);
  if (root) chownSync(home, 65534, 65534);
  execFileSync('chmod', ['-R', 'a-w,a+rX', app]);
  execFileSync('chmod', ['a+rx', folder]);
}, 300_000);

afterAll(async () => {
  const alive = running.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null);
  for (const child of alive) child.kill('SIGKILL');
  await Promise.all(alive.map((child) => once(child, 'exit')));
  execFileSync('chmod', ['-R', 'u+w', app]);
  rmSync(folder, { recursive: true, force: true });
});

const base = { PATH: process.env['PATH'], HOME: home, NODE_ENV: 'production', CALLOSUM_LOG_LEVEL: 'warn' };

function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawnSync(process.execPath, [join(app, 'entry.mjs'), ...args], {
    cwd: app,
    encoding: 'utf8',
    env: { ...base, ...env },
    ...user,
  });
}

/** Starts an entry and waits until the image's own health check is content. */
async function up(entry: string, env: NodeJS.ProcessEnv): Promise<ChildProcess> {
  const child = spawn(process.execPath, [join(app, 'entry.mjs'), entry], {
    cwd: app,
    env: { ...base, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    ...user,
  });
  running.push(child);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  for (const deadline = Date.now() + upMs; run(['healthcheck', '/readyz'], env).status !== 0; await sleep(200)) {
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`${entry} is not up: ${errors.slice(-2000)}`);
  }
  return child;
}

async function down(child: ChildProcess): Promise<number | null> {
  child.kill('SIGTERM');
  if (child.exitCode === null) await once(child, 'exit');
  return child.exitCode;
}

const freePort = (): Promise<string> =>
  new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(String(typeof address === 'object' ? address?.port : 0)));
    });
  });

/** HTTP and the other listeners on free ports: this machine may run another Callosum. */
async function ports() {
  return {
    CALLOSUM_HTTP_PORT: await freePort(),
    CALLOSUM_DIMSE_PORT: await freePort(),
    CALLOSUM_GRPC_PORT: await freePort(),
  };
}

describe('the runtime folder', () => {
  it('holds what runs, and neither tools, tests, sources nor a second Node', () => {
    expect(readdirSync(join(app, 'apps')).sort()).toEqual(
      [...services.map(({ name }) => name), 'all-in-one', 'cli'].sort(),
    );
    for (const absent of [
      'tools',
      'libs/testing',
      'apps/e2e',
      'node_modules/typescript',
      'node_modules/vitest',
      'node_modules/nx',
    ])
      expect(existsSync(join(app, absent)), absent).toBe(false);
    const own = ['apps', 'libs', 'examples'].flatMap((part) =>
      readdirSync(join(app, part), { recursive: true }).map(String),
    );
    expect(own.filter((path) => /\.ts$|\.map$|\.spec\.|test-support/.test(path))).toEqual([]);
    expect(readdirSync(join(app, 'node_modules')).filter((name) => name.startsWith('node-linux'))).toEqual([]);
  });

  it('keeps the licence of every package that came with one', () => {
    const packages = ['pg', 'kafkajs', 'fastify', '@nestjs/core', 'zod'];
    for (const name of packages)
      expect(readdirSync(join(app, 'node_modules', name)).join(), name).toMatch(/licen[cs]e/i);
    expect(existsSync(join(app, 'LICENSE'))).toBe(true);
  });

  it('lists exactly its packages in a CycloneDX bill of materials', () => {
    const sbom = JSON.parse(readFileSync(join(app, 'sbom.cdx.json'), 'utf8')) as {
      bomFormat: string;
      components: { purl: string }[];
    };
    expect(sbom.bomFormat).toBe('CycloneDX');
    const listed = sbom.components.map(({ purl }) => decodeURIComponent(purl.replace('pkg:npm/', '')));
    const there = packagesIn(join(app, 'node_modules'));
    expect(there.length).toBeGreaterThan(200);
    expect(there.filter((one) => !listed.includes(one))).toEqual([]);
    expect(listed.filter((one) => !there.includes(one) && !one.startsWith('@callosum/'))).toEqual([]);
  });

  it('is the same under any user: nothing in it can be written', () => {
    for (const path of ['', 'entry.mjs', 'node_modules', 'apps/study-index/dist/main.js'])
      expect(statSync(join(app, path)).mode & 0o222, path).toBe(0);
  });
});

describe('the entry', () => {
  it('without a name, or with one it does not know, says what there is', () => {
    for (const args of [[], ['toString'], ['bash']]) {
      const { status, stderr } = run(args);
      expect(status).toBe(2);
      for (const { name } of services) expect(stderr).toContain(name);
    }
  });

  it('runs the command line', () => {
    const { status, stdout } = run(['callosum', '--help']);
    expect(status).toBe(0);
    expect(stdout).toContain('callosum <command>');
  });

  it('is called by the name of the command line too', () => {
    const script = readFileSync(join(repositoryRoot, 'deploy/docker/callosum'), 'utf8').replace('/app/', `${app}/`);
    const options = { cwd: app, encoding: 'utf8', env: { ...base }, ...user } as const;
    const callosum = (...args: string[]) => spawnSync('sh', ['-c', script, 'callosum', ...args], options);
    expect(callosum('--help').stdout).toContain('callosum <command>');
    expect(callosum('trace', 'not a UID')).toMatchObject({ status: 2 });
    expect(readFileSync(join(repositoryRoot, 'deploy/docker/Dockerfile'), 'utf8')).toContain(
      'COPY --link --chmod=0755 deploy/docker/callosum /usr/local/bin/callosum',
    );
  });

  it('as a toolbox does nothing until it is ended', async () => {
    const child = spawn(process.execPath, [join(app, 'entry.mjs'), 'toolbox'], { cwd: app, env: base, ...user });
    running.push(child);
    await sleep(2_000);
    expect(child.exitCode).toBeNull();
    expect(await down(child)).toBe(0);
  }, 60_000);

  it('says which setting is wrong and ends, as the process it is', () => {
    const { status, stderr } = run(['study-index'], { CALLOSUM_DATABASE_POOL_MAX: 'many' });
    expect(status).toBe(1);
    expect(stderr).toContain('CALLOSUM_DATABASE_POOL_MAX');
  });

  it('is unhealthy where nothing answers', async () => {
    expect(run(['healthcheck'], { CALLOSUM_HTTP_PORT: await freePort() }).status).toBe(1);
  });
});

describe('all in one, from the runtime folder, as somebody who is not root', () => {
  it('becomes ready on a volume of its own, drains on SIGTERM, and finds its volume again', async () => {
    const env = { ...(await ports()), CALLOSUM_DATA_DIR: join(home, 'all-in-one'), CALLOSUM_DISK_FREE_BYTES_MIN: '0' };
    for (const time of ['first', 'second']) {
      const child = await up('all-in-one', env);
      const fhir = await fetch(`http://127.0.0.1:${env.CALLOSUM_HTTP_PORT}/fhir/metadata`);
      expect(fhir.status, time).toBe(200);
      expect(await down(child), time).toBe(0);
    }
  }, 300_000);
});

describe('each service, from the runtime folder, as somebody who is not root', () => {
  let postgres: TestPostgres;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    postgres = await startPostgres();
    const passwords = join(home, 'passwords');
    mkdirSync(passwords);
    for (const role of ['archive', 'event_log', 'observer', ...services.map(({ schema }) => schema)])
      writeFileSync(join(passwords, role), `${role}-1`);
    const { host, port, database, user: admin, password } = postgres.admin;
    env = {
      CALLOSUM_DATABASE_HOST: host,
      CALLOSUM_DATABASE_PORT: String(port),
      CALLOSUM_DATABASE_NAME: database,
      CALLOSUM_OBJECT_STORE_DIR: join(home, 'objects'),
      CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    };
    const { status, stderr } = run(['migrate'], {
      ...env,
      CALLOSUM_DATABASE_ADMIN_USER: admin,
      CALLOSUM_DATABASE_ADMIN_PASSWORD: password,
      CALLOSUM_DATABASE_PASSWORDS_DIR: passwords,
    });
    expect(status, stderr).toBe(0);
    expect(stderr.match(/schema\.migrated/g)).toHaveLength(services.length);
  }, 300_000);
  afterAll(() => postgres.stop());

  it.each(services.map(({ name, schema }) => [name, schema]))(
    '%s becomes ready after `migrate`, and drains on SIGTERM',
    async (name, schema) => {
      const child = await up(name, { ...env, ...(await ports()), CALLOSUM_DATABASE_PASSWORD: `${schema}-1` });
      expect(await down(child)).toBe(0);
    },
    200_000,
  );

  it('the worker dials out, and ends on SIGTERM', async () => {
    const child = spawn(process.execPath, [join(app, 'entry.mjs'), 'lung-ct'], {
      cwd: app,
      env: { ...base, CALLOSUM_WORKER_TARGET: `127.0.0.1:${await freePort()}` },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    running.push(child);
    // It logs that nobody answers, and goes on trying.
    await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data')]);
    expect(child.exitCode).toBeNull();
    expect(await down(child)).toBe(0);
  }, 120_000);
});

describe("compose's bucket", () => {
  it('is made once by the very command in compose.yaml', async () => {
    const s3 = await startS3();
    const { services: composed } = parse(readFileSync(join(repositoryRoot, 'deploy/docker/compose.yaml'), 'utf8'), {
      merge: true,
    }) as {
      services: { bucket: { entrypoint: string[]; command: string[] } };
    };
    const [, ...flags] = composed.bucket.entrypoint;
    const script = (composed.bucket.command[0] ?? '')
      .replace('http://127.0.0.1:7070', s3.endpoint)
      .replace("'callosum'", "'made-here'");
    const env = { ...base, AWS_ACCESS_KEY_ID: s3.accessKeyId, AWS_SECRET_ACCESS_KEY: s3.secretAccessKey };
    for (const time of ['first', 'again']) {
      const { status, stderr } = spawnSync(process.execPath, [...flags, script], {
        cwd: app,
        env,
        encoding: 'utf8',
        ...user,
      });
      expect(stderr, time).toBe('');
      expect(status, time).toBe(0);
    }
    const { HeadBucketCommand, S3Client: Client } = await import('@aws-sdk/client-s3');
    const credentials = { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey };
    const client: S3Client = new Client({
      endpoint: s3.endpoint,
      region: s3.region,
      credentials,
      forcePathStyle: true,
    });
    await expect(client.send(new HeadBucketCommand({ Bucket: 'made-here' }))).resolves.toBeDefined();
    client.destroy();
    await s3.stop();
  }, 120_000);
});

/** "name@version" of every package under a node_modules folder; links are our own. */
function packagesIn(modules: string): string[] {
  return readdirSync(modules, { withFileTypes: true }).flatMap((entry) => {
    const path = join(modules, entry.name);
    if (!entry.isDirectory() || entry.name === '@callosum') return [];
    if (entry.name.startsWith('@')) return packagesIn(path);
    const manifest = join(path, 'package.json');
    const nested = existsSync(join(path, 'node_modules')) ? packagesIn(join(path, 'node_modules')) : [];
    if (!existsSync(manifest)) return nested;
    const { name, version } = JSON.parse(readFileSync(manifest, 'utf8')) as { name: string; version: string };
    return [`${name}@${version}`, ...nested];
  });
}
