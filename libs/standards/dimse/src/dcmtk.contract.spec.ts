import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import {
  accepts,
  freePort,
  MissingPrerequisite,
  orSkip,
  type ServerProcess,
  startProcess,
  testDataPath,
} from '@callosum/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { part10 } from '../test-support/objects.js';
import { type Provider, startProvider } from '../test-support/providers.js';
import { calledAetNotRecognized, echo, readPart10, storeFiles } from './index.js';

const run = promisify(execFile);
// Without it DCMTK's own small writes meet delayed acknowledgements: 48 ms an instance.
const env = { ...process.env, TCP_NODELAY: '1' };

const dcmtk = await orSkip(async () => {
  await run('storescu', ['--version']).catch((cause: unknown) => {
    throw new MissingPrerequisite('DCMTK is not on this machine', 'apt-get install dcmtk', { cause });
  });
  return true;
});

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'callosum-dimse-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const datasetOf = async (path: string): Promise<Buffer> =>
  (await readFile(path)).subarray((await readPart10(path)).datasetOffset);

describe.skipIf(dcmtk.missing !== undefined)('DCMTK sends to our provider', () => {
  let provider: Provider;
  beforeEach(async () => void (provider = await startProvider()));
  afterEach(() => provider.server.close(0));

  it('echoscu is answered', async () => {
    await run('echoscu', ['-aec', 'CALLOSUM', '127.0.0.1', String(provider.port)], { env });
    expect(provider.associations).toHaveLength(1);
  });

  it('echoscu is told why it is rejected', async () => {
    const rejecting = await startProvider({ onAssociation: () => calledAetNotRecognized });
    await expect(run('echoscu', ['-aec', 'OTHER', '127.0.0.1', String(rejecting.port)], { env })).rejects.toThrow(
      /Called AE Title Not Recognized/,
    );
    await rejecting.server.close(0);
  });

  it('storescu stores with the smallest and the largest PDU it knows', async () => {
    const path = join(folder, 'object.dcm');
    await writeFile(path, part10({ pixelBytes: 1_000_000 }));
    for (const pduBytes of ['4096', '131072']) {
      await run(
        'storescu',
        ['-aec', 'CALLOSUM', '-xe', '--max-send-pdu', pduBytes, '127.0.0.1', String(provider.port), path],
        { env },
      );
    }
    expect(provider.stored).toHaveLength(2);
    expect(provider.stored[0]?.bytes.length).toBe(provider.stored[1]?.bytes.length);
  });

  const chest = testDataPath('studies', 'ct-chest');
  it.skipIf(!chest)('storescu sends a whole CT in its own transfer syntax over one association', async () => {
    const files = (await readdir(chest ?? '')).filter((name) => name.endsWith('.dcm'));
    await run('storescu', ['-aec', 'CALLOSUM', '-R', '+sd', '127.0.0.1', String(provider.port), chest ?? ''], { env });
    expect(provider.stored).toHaveLength(files.length);
    expect(provider.associations).toHaveLength(1);
  });
});

describe.skipIf(dcmtk.missing !== undefined)('we send to DCMTK', () => {
  let received: string;
  let port: number;
  let storescp: ServerProcess;
  beforeEach(async () => {
    received = await mkdtemp(join(folder, 'received-'));
    port = await freePort();
    // --bit-preserving writes what came over the wire.
    const args = ['--bit-preserving', '+xa', '-aet', 'STORESCP', '-od', received, String(port)];
    storescp = await startProcess({
      command: 'storescp',
      args,
      options: { env },
      ready: () => accepts(port),
      readyTimeoutMs: 10_000,
    });
  });
  afterEach(() => storescp.stop());
  const to = (): { host: string; port: number; calledAet: string; callingAet: string } => ({
    host: '127.0.0.1',
    port,
    calledAet: 'STORESCP',
    callingAet: 'CALLOSUM',
  });

  it('C-ECHO', async () => expect(await echo(to())).toEqual({ status: 0 }));

  it('bytes arrive as they are, private attributes too', async () => {
    const path = join(folder, 'private.dcm');
    await writeFile(path, part10({ pixelBytes: 700_001 }));
    expect(await storeFiles({ ...to(), files: [path] })).toMatchObject([{ status: 0 }]);
    const [name] = await readdir(received);
    expect((await datasetOf(join(received, name ?? ''))).equals(await datasetOf(path))).toBe(true);
  });

  const codecs = testDataPath('codecs');
  it.skipIf(!codecs || !existsSync(codecs))(
    'every codec of the test data arrives in its own syntax, byte for byte',
    async () => {
      const names = (await readdir(codecs ?? '')).filter(
        (name) => name.startsWith('ct-') && name.endsWith('.dcm') && !/htj2k|p14/.test(name),
      ); // DCMTK knows these not
      const files = names.map((name) => join(codecs ?? '', name));
      const outcomes = await storeFiles({ ...to(), files });
      expect(outcomes.filter(({ stored }) => !stored)).toEqual([]);
      const arrived = new Map<string, Buffer[]>();
      for (const name of await readdir(received)) {
        const { sopInstanceUid } = await readPart10(join(received, name));
        arrived.set(sopInstanceUid, [...(arrived.get(sopInstanceUid) ?? []), await datasetOf(join(received, name))]);
      }
      // storescp overwrites files of one SOP Instance UID: of those the last one sent is there.
      for (const file of files) {
        const { sopInstanceUid } = await readPart10(file);
        const last = files.findLast(
          (other) => outcomes.find((outcome) => outcome.file === other)?.sopInstanceUid === sopInstanceUid,
        );
        if (last === file) expect(arrived.get(sopInstanceUid)?.[0]?.equals(await datasetOf(file)), file).toBe(true);
      }
    },
  );
});
