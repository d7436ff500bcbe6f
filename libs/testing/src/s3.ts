import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { createGunzip } from 'node:zlib';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

import { MissingPrerequisite } from './missing-prerequisite.js';
import { freePort } from './ports.js';
import { accepts, startProcess, type ServerProcess } from './processes.js';
import { cachedTool, repositoryRoot } from './tools-folder.js';

const run = promisify(execFile);

export interface TestS3 {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** An empty bucket. Address it by path (`forcePathStyle`). */
  readonly bucket: string;
  /** Kills the server and starts it again on the same port and data after `downMs`. */
  restart(downMs: number): Promise<void>;
  /** Kills the server; what it gives starts it again on the same port and data. */
  kill(): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

const credentials = { accessKeyId: 'callosum-test', secretAccessKey: 'callosum-test-secret' };
const region = 'us-east-1';
const bucket = 'callosum';

export interface TestS3Options {
  /** Where the objects lie, instead of a new folder; stays when the server stops. */
  readonly dir?: string;
}

/** A real S3 server on 127.0.0.1: versitygw (shared tools, else `go install`), else moto from PyPI. */
export async function startS3(options: TestS3Options = {}): Promise<TestS3> {
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'callosum-s3-')));
  const port = await freePort();
  let server = await startServer(dir, port).catch(async (error: unknown) => {
    if (!options.dir) await rm(dir, { recursive: true, force: true });
    throw error;
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  await client.send(new CreateBucketCommand({ Bucket: bucket }));
  client.destroy();
  const kill = async (): Promise<() => Promise<void>> => {
    await server.stop(0);
    return async () => void (server = await startServer(dir, port));
  };
  return {
    endpoint,
    region,
    ...credentials,
    bucket,
    restart: async (downMs) => {
      const revive = await kill();
      await sleep(downMs);
      await revive();
    },
    kill,
    stop: async () => {
      await server.stop();
      if (!options.dir) await rm(dir, { recursive: true, force: true });
    },
  };
}

async function startServer(dir: string, port: number): Promise<ServerProcess> {
  const ready = { ready: () => accepts(port), readyTimeoutMs: 30_000 };
  const gateway = await versitygw();
  if (gateway) {
    const data = join(dir, 'data');
    await mkdir(data, { recursive: true });
    return startProcess({
      command: gateway,
      args: [
        '--access',
        credentials.accessKeyId,
        '--secret',
        credentials.secretAccessKey,
        '--region',
        region,
        '--port',
        `127.0.0.1:${port}`,
        'posix',
        data,
      ],
      ...ready,
    });
  }
  const moto = await motoServer();
  if (moto) {
    return startProcess({
      command: join(moto, 'bin', 'moto_server'),
      args: ['-H', '127.0.0.1', '-p', String(port)],
      options: { env: { ...process.env, PYTHONPATH: moto } },
      ...ready,
    });
  }
  throw new MissingPrerequisite(
    'no S3 server for tests',
    'install Go 1.23 or later (versitygw is then built once), or Python 3 with pip (moto), and let it reach its registry',
  );
}

/** Path of the binary, or undefined when neither the shared tools nor Go can give it. */
export async function versitygw(): Promise<string | undefined> {
  const packed = join(repositoryRoot, '../shared/tools/versitygw.gz');
  try {
    const folder = await cachedTool('versitygw', async (staging) => {
      const binary = join(staging, 'versitygw');
      if (existsSync(packed)) {
        await pipeline(createReadStream(packed), createGunzip(), createWriteStream(binary));
        await chmod(binary, 0o755);
      } else {
        await run('go', ['install', 'github.com/versity/versitygw/cmd/versitygw@v1.8.0'], {
          env: { ...process.env, GOBIN: staging },
          timeout: 540_000,
        });
      }
    });
    return join(folder, 'versitygw');
  } catch {
    return undefined;
  }
}

/** Folder moto was installed into, or undefined. A plain target folder: a virtual environment could not be moved. */
async function motoServer(): Promise<string | undefined> {
  try {
    return await cachedTool('moto', async (staging) => {
      await run('python3', ['-m', 'pip', 'install', '--quiet', '--target', staging, 'moto[server]>=5,<6'], {
        timeout: 300_000,
      });
    });
  } catch {
    return undefined;
  }
}
