import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';

import { accepts, freePort, MissingPrerequisite, orSkip, type ServerProcess, startProcess } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset, element, explicitVrLittleEndian, part10 } from '../test-support/objects.js';
import { openPolicy, type Provider, startProvider, until } from '../test-support/providers.js';
import {
  ctAsProvider,
  drained,
  getHandler,
  once,
  proposed,
  studyRootFind,
  studyRootGet,
  studyRootMove,
} from '../test-support/services.js';
import {
  type MoveRequest,
  readPart10,
  type RequestHandler,
  type RetrieveAnswer,
  ScuAssociation,
  type ScuOptions,
  storeFiles,
  type SubOperationCounts,
} from './index.js';

const run = promisify(execFile);
const env = { ...process.env, TCP_NODELAY: '1' };

const dcmtk = await orSkip(async () => {
  await run('findscu', ['--version']).catch((cause: unknown) => {
    throw new MissingPrerequisite('DCMTK is not on this machine', 'apt-get install dcmtk', { cause });
  });
  return true;
});

let folder: string;
beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'callosum-dcmtk-services-'))));
afterAll(() => rm(folder, { recursive: true, force: true }));

const numbers = [1, 2, 3, 4, 5];
const objects = numbers.map((number) => {
  const sopInstanceUid = `1.2.3.4.${number}`;
  return { sopInstanceUid, bytes: dataset({ sopInstanceUid, pixelBytes: 150_000 + 2 * number }) };
});
const keys = ['-k', '0008,0052=STUDY', '-k', '0010,0020', '-k', '0020,000d=1.2.3'];
const study = Buffer.concat([
  element(0x0008, 0x0052, 'CS', 'STUDY'),
  element(0x0010, 0x0020, 'LO', ''),
  element(0x0020, 0x000d, 'UI', '1.2.3'),
]);

describe.skipIf(dcmtk.missing !== undefined)('DCMTK asks our provider', () => {
  let provider: Provider | undefined;
  afterEach(() => provider?.server.close(0));
  const serving = async (handler: RequestHandler): Promise<string> => {
    provider = await startProvider({}, undefined, { handler, policy: openPolicy([ctImageStorage]) });
    return String(provider.port);
  };
  const received = async (name: string): Promise<Map<string, Buffer>> => {
    const files = await readdir(join(folder, name));
    const bytes = await Promise.all(files.map((file) => readFile(join(folder, name, file))));
    const entries = bytes.map(async (file): Promise<[string, Buffer]> => {
      const { sopInstanceUid, datasetOffset } = await readPart10(file);
      return [sopInstanceUid, file.subarray(datasetOffset)];
    });
    return new Map(await Promise.all(entries));
  };

  it('findscu gets every match, and cancels', async () => {
    let sent = 0;
    let canceled = false;
    const port = await serving({
      async *find({ identifier, signal }) {
        expect(identifier.includes('1.2.3')).toBe(true);
        for (sent = 0; sent < 500; sent++) {
          if (signal.aborted) {
            canceled = true;
            return;
          }
          const patientId = element(0x0010, 0x0020, 'LO', `P${sent}`);
          yield await Promise.resolve({ identifier: Buffer.concat([study.subarray(0, 14), patientId]) });
        }
      },
    });
    const findscu = ['-v', '+sr', '-S', '-aec', 'CALLOSUM', ...keys];
    const all = await run('findscu', [...findscu, '127.0.0.1', port], { env, maxBuffer: 64_000_000 });
    expect(`${all.stdout}${all.stderr}`).toMatch(/P499/);
    expect([sent, canceled]).toEqual([500, false]);
    await run('findscu', [...findscu, '--cancel', '3', '127.0.0.1', port], { env, maxBuffer: 64_000_000 });
    // Whether the cancel comes before the last match is DCMTK's speed; the association ends well either way.
    await until(() => provider?.ends.length === 2);
    expect(provider?.ends).toEqual([{ how: 'released' }, { how: 'released' }]);
  });

  it('getscu gets the objects on its own association, byte for byte', async () => {
    await mkdir(join(folder, 'got'));
    const port = await serving({ get: getHandler(objects) });
    await run('getscu', ['-S', '+B', '-aec', 'CALLOSUM', '-od', join(folder, 'got'), ...keys, '127.0.0.1', port], {
      env,
    });
    const files = await received('got');
    expect([...files.keys()].toSorted()).toEqual(objects.map(({ sopInstanceUid }) => sopInstanceUid));
    for (const { sopInstanceUid, bytes } of objects) expect(files.get(sopInstanceUid)?.equals(bytes)).toBe(true);
    expect(provider?.errors).toEqual([]);
  });

  it('movescu gets them on an association we open to it, named as the one who asked', async () => {
    await mkdir(join(folder, 'moved'));
    const incoming = await freePort();
    const port = await serving({
      move: (request) => moveTo({ host: '127.0.0.1', port: incoming }, request),
    });
    const movescu = ['-v', '-S', '+B', '-aec', 'CALLOSUM', '-aem', 'MOVESCU', '--port', String(incoming)];
    // With +B it writes where it stands, whatever -od says.
    const options = { env, cwd: join(folder, 'moved') };
    const output = await run('movescu', [...movescu, ...keys, '127.0.0.1', port], options);
    const files = await received('moved');
    expect([...files.keys()].toSorted(), output.stderr).toEqual(objects.map(({ sopInstanceUid }) => sopInstanceUid));
    for (const { sopInstanceUid, bytes } of objects) expect(files.get(sopInstanceUid)?.equals(bytes)).toBe(true);
    expect(provider?.errors).toEqual([]);
  });

  async function* moveTo(
    address: Pick<ScuOptions, 'host' | 'port'>,
    { destination, messageId }: MoveRequest,
  ): AsyncGenerator<SubOperationCounts, RetrieveAnswer> {
    const options = { ...address, calledAet: destination, callingAet: 'CALLOSUM' };
    const association = await ScuAssociation.open(options, [proposed(ctImageStorage)]);
    const id = association.contextFor(ctImageStorage, explicitVrLittleEndian);
    let completed = 0;
    for (const { sopInstanceUid, bytes } of objects) {
      const originator = { aet: 'MOVESCU', messageId };
      const { status } = await association.store(id, ctImageStorage, sopInstanceUid, () => once(bytes), originator);
      if (status === 0) completed++;
      yield { remaining: objects.length - completed, completed, failed: 0, warning: 0 };
    }
    await association.release();
    return { counts: { remaining: 0, completed, failed: 0, warning: 0 } };
  }
});

describe.skipIf(dcmtk.missing !== undefined)('we ask DCMTK', () => {
  let port: number;
  let dcmqrscp: ServerProcess;
  let ours: Provider;
  let association: ScuAssociation | undefined;

  beforeAll(async () => {
    port = await freePort();
    ours = await startProvider();
    const database = join(folder, 'database');
    await mkdir(database);
    const config = join(folder, 'dcmqrscp.cfg');
    await writeFile(
      config,
      [
        `NetworkTCPPort = ${port}`,
        'MaxPDUSize = 16384',
        'MaxAssociations = 16',
        'HostTable BEGIN',
        `ours = (CALLOSUM, 127.0.0.1, ${ours.port})`,
        'HostTable END',
        'VendorTable BEGIN',
        'VendorTable END',
        'AETable BEGIN',
        `QRSCP ${database} RW (200, 1024mb) ANY`,
        'AETable END',
        '',
      ].join('\n'),
    );
    dcmqrscp = await startProcess({
      command: 'dcmqrscp',
      args: ['-c', config],
      options: { env },
      ready: () => accepts(port),
      readyTimeoutMs: 20_000,
    });
    const files = numbers.map((number) =>
      part10({ sopInstanceUid: `1.2.3.4.${number}`, pixelBytes: 150_000 + 2 * number }),
    );
    const outcomes = await storeFiles({ host: '127.0.0.1', port, calledAet: 'QRSCP', callingAet: 'CALLOSUM', files });
    expect(outcomes.map(({ status }) => status)).toEqual(numbers.map(() => 0));
  });
  afterAll(async () => {
    await dcmqrscp.stop();
    await ours.server.close(0);
  });
  afterEach(() => association?.abort());

  const associate = async (...contexts: Parameters<typeof ScuAssociation.open>[1]): Promise<ScuAssociation> => {
    const to = { host: '127.0.0.1', port, calledAet: 'QRSCP', callingAet: 'CALLOSUM' };
    return (association = await ScuAssociation.open(to, contexts));
  };

  it('C-FIND', async () => {
    const scu = await associate(proposed(studyRootFind));
    const { items, result } = await drained(scu.find(scu.contextFor(studyRootFind), study));
    expect(items).toHaveLength(1);
    expect(items[0]?.identifier.includes('NOBODY-1')).toBe(true);
    expect(result.status).toBe(0);
    await scu.release();
  });

  it('C-GET', async () => {
    const scu = await associate(proposed(studyRootGet), ctAsProvider);
    const stored = new Map<string, number>();
    const outcome = await scu.get(scu.contextFor(studyRootGet), study, {
      store: async ({ sopInstanceUid, dataset: bytes }) => {
        stored.set(sopInstanceUid, (await buffer(bytes)).length);
        return { status: 0 };
      },
    });
    expect(outcome).toMatchObject({ status: 0, counts: { completed: 5, failed: 0 } });
    expect([...stored.keys()].toSorted()).toEqual(objects.map(({ sopInstanceUid }) => sopInstanceUid));
    await scu.release();
  });

  it('C-MOVE to our own provider, with progress', async () => {
    const scu = await associate(proposed(studyRootMove));
    const progress: SubOperationCounts[] = [];
    const outcome = await scu.move(scu.contextFor(studyRootMove), 'CALLOSUM', study, {
      onProgress: (counts) => progress.push(counts),
    });
    expect(outcome).toMatchObject({ status: 0, counts: { completed: 5, failed: 0 } });
    expect(ours.stored).toHaveLength(5);
    expect(ours.stored[0]?.request.moveOriginator?.aet).toBe('CALLOSUM');
    expect(progress.length).toBeGreaterThan(0);
    // A destination it does not know.
    expect((await scu.move(scu.contextFor(studyRootMove), 'NOWHERE', study)).status).toBe(0xa801);
    await scu.release();
  });
});
