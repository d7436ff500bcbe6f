import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { promisify } from 'node:util';

import type { Archive } from '@callosum/archive';
import { datasetOf, writeFile as writeDicom } from '@callosum/dicom';
import { echo, readPart10, type ScuOptions, storeFiles, type StoreOutcome } from '@callosum/dimse';
import { orSkip, startPostgres, testDataPath, type TestPostgres } from '@callosum/testing';
import { ARCHIVE, preparePlatform, type RunningService, startService } from '@callosum/runtime';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DimseListener, dimseIngest } from './index.js';

const run = promisify(execFile);
const postgres = await orSkip(() => startPostgres());
const hasDcmtk = await run('storescu', ['--version']).then(
  () => true,
  () => false,
);

/** dimse-ingest as it is deployed: real PostgreSQL, files, real sockets. */
describe.skipIf(postgres.missing !== undefined)('dimse-ingest', () => {
  let service: RunningService;
  let folder: string;
  let admin: pg.Client;
  let env: NodeJS.ProcessEnv;
  const server = postgres.server as TestPostgres;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'callosum-dimse-ingest-'));
    const passwordOf = (role: string): string => `password of ${role}`;
    await preparePlatform({ admin: server.admin, definitions: [dimseIngest], passwordOf, eventLogInPostgres: true });
    env = {
      CALLOSUM_LOG_LEVEL: 'fatal',
      CALLOSUM_DIMSE_PORT: '0',
      CALLOSUM_DRAIN_GRACE_MS: '20000',
      CALLOSUM_DATABASE_PORT: String(server.admin.port),
      CALLOSUM_DATABASE_NAME: server.admin.database,
      CALLOSUM_DATABASE_PASSWORD: passwordOf('dimse_ingest'),
      CALLOSUM_OBJECT_STORE_DIR: join(folder, 'objects'),
      CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    };
    service = await startService(dimseIngest, env);
    admin = new pg.Client(server.admin);
    await admin.connect();
  });
  afterAll(async () => {
    await service.close();
    await admin.end();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const to = (calledAet = 'CALLOSUM'): ScuOptions => ({
    host: '127.0.0.1',
    port: service.app.get(DimseListener).port,
    calledAet,
    callingAet: 'CT1',
  });
  const send = (...files: (string | Uint8Array)[]): Promise<StoreOutcome[]> => storeFiles({ ...to(), files });
  const object = (sopInstanceUid: string, pixelBytes = 1_000, patientName = 'Test^One'): Buffer =>
    Buffer.from(
      writeDicom(
        datasetOf(
          {
            SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
            SOPInstanceUID: sopInstanceUid,
            PatientName: patientName,
            StudyInstanceUID: '1.2.3',
            SeriesInstanceUID: '1.2.3.1',
            '00090010': 'ACME PRIVATE',
            '00091001': Uint8Array.of(1, 2, 3, 254),
            PixelData: new Uint8Array(pixelBytes),
          },
          { '00090010': 'LO', '00091001': 'UN' },
        ),
        { implementationClassUid: '1.2.3' },
      ),
    );
  const intakeRows = async (sopInstanceUid: string): Promise<Record<string, unknown>[]> =>
    (
      await admin.query<Record<string, unknown>>('select * from archive.intake where sop_instance_uid = $1', [
        sopInstanceUid,
      ])
    ).rows;
  const events = async (
    topic: string,
    key: string,
  ): Promise<{ value: Record<string, unknown>; correlation_id: string }[]> => {
    const { rows } = await admin.query<{ value: string; correlation_id: string }>(
      'select value, correlation_id from event_log.events where topic = $1 and key = $2',
      [topic, key],
    );
    return rows.map((row) => ({ ...row, value: JSON.parse(row.value) as Record<string, unknown> }));
  };
  const kept = async (row: Record<string, unknown> | undefined): Promise<Buffer> =>
    buffer(await service.app.get<Archive>(ARCHIVE).open(String(row?.['blob_key'])));
  const datasetIn = async (file: string | Uint8Array): Promise<Buffer> => {
    const bytes = typeof file === 'string' ? await readFile(file) : Buffer.from(file);
    return bytes.subarray((await readPart10(bytes)).datasetOffset);
  };

  it('keeps the dataset byte for byte behind its own file meta information, once, however often it is sent', async () => {
    const bytes = object('1.2.3.1.1');
    expect((await send(bytes, bytes)).map(({ status }) => status)).toEqual([0, 0]);
    const rows = await intakeRows('1.2.3.1.1');
    expect(rows).toMatchObject([{ origin: 'dimse', source: 'CT1', study_instance_uid: '1.2.3', current: true }]);
    expect((await datasetIn(await kept(rows[0]))).equals(await datasetIn(bytes))).toBe(true);
  });

  it('tells of the instance and then of the release, tied by the association', async () => {
    await send(object('1.2.3.1.2'));
    await expect.poll(() => events('imaging.association.released.v1', '1.2.3'), { timeout: 10_000 }).not.toEqual([]);
    const association = String((await intakeRows('1.2.3.1.2'))[0]?.['association_id']);
    await expect
      .poll(
        async () =>
          (await events('imaging.association.released.v1', '1.2.3')).filter(
            ({ correlation_id }) => correlation_id === association,
          ),
        { timeout: 10_000 },
      )
      .toMatchObject([
        { value: { studyInstanceUid: '1.2.3', source: 'CT1', instanceCount: 1, associationId: association } },
      ]);
    await expect
      .poll(
        async () =>
          (await events('imaging.instance.stored.v1', '1.2.3')).filter(
            ({ correlation_id }) => correlation_id === association,
          ),
        { timeout: 10_000 },
      )
      .toMatchObject([{ value: { sopInstanceUid: '1.2.3.1.2', origin: 'INSTANCE_ORIGIN_DIMSE' } }]);
  });

  it('takes UIDs with leading zeros as they are, and takes none for another', async () => {
    const [zeros, none] = ['1.2.3.1.0070', '1.2.3.1.70'];
    expect((await send(object(zeros), object(none))).map(({ status }) => status)).toEqual([0, 0]);
    for (const uid of [zeros, none])
      expect(await intakeRows(uid)).toMatchObject([{ sop_instance_uid: uid, decision: 'stored', current: true }]);
  });

  it('a correction is success too, and kept beside the first', async () => {
    await send(object('1.2.3.1.3'));
    expect(await send(object('1.2.3.1.3', 1_000, 'Test^Two'))).toMatchObject([{ status: 0 }]);
    expect(await intakeRows('1.2.3.1.3')).toHaveLength(2);
  });

  it('an object cut off, and one that is another than announced, leave nothing', async () => {
    const cut = object('1.2.3.1.4').subarray(0, -100);
    const other = Buffer.from(object('1.2.3.1.5'));
    other.write('1.2.3.1.9', other.indexOf('1.2.3.1.5'), 'latin1');
    const before = await blobCount();
    expect((await send(cut, other)).map(({ status }) => status)).toEqual([0xc000, 0xa900]);
    expect(await blobCount()).toBe(before);
    expect([
      ...(await intakeRows('1.2.3.1.4')),
      ...(await intakeRows('1.2.3.1.5')),
      ...(await intakeRows('1.2.3.1.9')),
    ]).toEqual([]);
  });

  it('a sender that dies in the middle leaves nothing', async () => {
    const before = await blobCount();
    const { port } = to();
    // A proxy that cuts the line after two megabytes.
    const { createServer } = await import('node:net');
    const proxy = createServer((client) => {
      const upstream = connectSocket(port, '127.0.0.1');
      let bytes = 0;
      client.on('data', (chunk) => {
        bytes += chunk.length;
        upstream.write(chunk);
        if (bytes > 2_000_000) {
          client.destroy();
          upstream.resetAndDestroy();
        }
      });
      upstream.on('data', (chunk) => client.write(chunk)).on('error', () => undefined);
      client.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const address = proxy.address() as { port: number };
    await expect(
      storeFiles({ ...to(), port: address.port, files: [object('1.2.3.1.6', 20_000_000)] }),
    ).rejects.toMatchObject({ code: 'dimse.association-aborted' });
    proxy.close();
    await expect.poll(blobCount, { timeout: 5_000 }).toBe(before);
    expect(await intakeRows('1.2.3.1.6')).toEqual([]);
    expect(await echo(to())).toEqual({ status: 0 });
  });

  it('rejects another called AE title with 1/1/7', async () => {
    await expect(echo(to('OTHER'))).rejects.toMatchObject({ result: 1, source: 1, reason: 7 });
  });

  const chest = testDataPath('studies', 'ct-chest');
  it.skipIf(!chest)('keeps a real CT byte for byte, and knows it again when storescu sends it', async () => {
    const files = (await readdir(chest ?? ''))
      .filter((name) => name.endsWith('.dcm'))
      .map((name) => join(chest ?? '', name));
    expect((await send(...files)).filter(({ status }) => status !== 0)).toEqual([]);
    for (const file of files) {
      const rows = await intakeRows((await readPart10(file)).sopInstanceUid);
      expect(rows, file).toHaveLength(1);
      expect((await datasetIn(await kept(rows[0]))).equals(await datasetIn(file)), file).toBe(true);
    }
    if (!hasDcmtk) return;
    const again = files.slice(0, 3);
    await run('storescu', ['-aec', 'CALLOSUM', '127.0.0.1', String(to().port), ...again], {
      env: { ...process.env, TCP_NODELAY: '1' },
    });
    for (const file of again) expect(await intakeRows((await readPart10(file)).sopInstanceUid)).toHaveLength(1);
  });

  const codecs = testDataPath('codecs');
  it.skipIf(!codecs)('keeps every codec of the test data byte for byte in its own transfer syntax', async () => {
    for (const name of (await readdir(codecs ?? '')).filter((entry) => entry.endsWith('.dcm'))) {
      const file = join(codecs ?? '', name);
      const [outcome] = await send(file);
      expect(outcome, name).toMatchObject({ status: 0 });
      const { sopInstanceUid, transferSyntaxUid } = await readPart10(file);
      const row = (await intakeRows(sopInstanceUid)).find(
        (entry) => entry['transfer_syntax_uid'] === transferSyntaxUid,
      );
      if (row) expect((await datasetIn(await kept(row))).equals(await datasetIn(file)), name).toBe(true);
    }
  });

  it('lets a C-STORE under way end when it stops', async () => {
    const path = join(folder, 'large.dcm');
    await writeFile(path, object('1.2.3.1.8', 100_000_000));
    const outcomes = send(path);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const closed = service.close();
    expect(await outcomes).toMatchObject([{ status: 0 }]);
    await closed;
    expect(await intakeRows('1.2.3.1.8')).toHaveLength(1);
    service = await startService(dimseIngest, env);
  });

  async function blobCount(): Promise<number> {
    const names = await readdir(join(folder, 'objects'), { recursive: true, withFileTypes: true }).catch(() => []);
    return names.filter((entry) => entry.isFile() && entry.parentPath.includes('blobs')).length;
  }
});
