import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { storeFiles } from '@callosum/dimse';
import {
  accepts,
  freePort,
  MissingPrerequisite,
  orSkip,
  type ServerProcess,
  startPostgres,
  startProcess,
  type TestPostgres,
} from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Pulls } from './application/pull-ports.js';
import { image } from './test-support/images.js';
import { TestNode } from './test-support/node.js';
import { PULLS } from './tokens.js';

const postgres = await orSkip(() => startPostgres());
const dcmtk = await orSkip(async () => {
  await promisify(execFile)('dcmqrscp', ['--version']).catch((cause: unknown) => {
    throw new MissingPrerequisite('DCMTK is not on this machine', 'apt-get install dcmtk', { cause });
  });
  return true;
});
const missing = postgres.missing !== undefined || dcmtk.missing !== undefined;

/** Instances of a study that is still coming when the node is restarted. */
const long = 240;

/** dimse-ingest as it is deployed, pulling from DCMTK's image archive: by C-MOVE from QRMOVE, by C-GET from QRGET. */
describe.skipIf(missing)('pulls', () => {
  const server = postgres.server as TestPostgres;
  let node: TestNode;
  let folder: string;
  let archive: ServerProcess;
  const archivePort = { value: 0 };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'callosum-pulls-'));
    const ourPort = await freePort();
    archivePort.value = await freePort();
    archive = await startArchive(folder, archivePort.value, ourPort);
    const at = { host: '127.0.0.1', port: archivePort.value };
    const env = {
      CALLOSUM_DIMSE_PORT: String(ourPort),
      CALLOSUM_DIMSE_AES: JSON.stringify([
        { aet: 'QRMOVE', ...at },
        { aet: 'QRGET', ...at, retrieve: 'get' },
        { aet: 'GONE', host: '127.0.0.1', port: await freePort() },
      ]),
      CALLOSUM_PULL_STUDIES_MAX: '3',
      // A close that waited for what is under way would let the pull end before the restart.
      CALLOSUM_DRAIN_GRACE_MS: '500',
    };
    node = await TestNode.start(server, env, { http: true });
    await fill('QRMOVE', '1.2.10', 3, { patientId: 'P-MOVE', accession: 'MOVE1' });
    await fill('QRMOVE', '1.2.11', 2, { patientId: 'P-MOVE', accession: 'MOVE2' });
    await fill('QRMOVE', '1.2.12', long, { patientId: 'P-LONG', accession: 'LONG1', pixelBytes: 200_000 });
    for (const number of [1, 2, 3, 4]) await fill('QRMOVE', `1.2.13.${number}`, 1, { patientId: 'P-MANY' });
    await fill('QRGET', '1.2.22', long, { patientId: 'P-LONG', accession: 'LONG2', pixelBytes: 200_000 });
    await fill('QRGET', '1.2.20', 3, { patientId: 'P-GET', accession: 'GET1' });
  });
  afterAll(async () => {
    await node?.stop();
    await archive?.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const fill = async (aet: string, study: string, count: number, more: Parameters<typeof image>[1]): Promise<void> => {
    const files = Array.from({ length: count }, (_, index) => image(`${study}.1.${index + 1}`, { ...more, study }));
    const to = { host: '127.0.0.1', port: archivePort.value, calledAet: aet, callingAet: 'CALLOSUM' };
    expect((await storeFiles({ ...to, files })).filter(({ status }) => status !== 0)).toEqual([]);
  };
  const pull = (body: object, headers?: Record<string, string>) => node.call('POST', '/pulls', body, headers);
  const state = async (id: unknown) => (await node.call('GET', `/pulls/${String(id)}`)).body;
  const ended = async (id: unknown, expected: object, timeout = 20_000): Promise<void> => {
    await expect.poll(() => state(id), { timeout, interval: 200 }).toMatchObject(expected);
  };
  const kept = (study: string) =>
    node.rows('select sop_instance_uid, source, origin from archive.intake where study_instance_uid = $1', study);

  it('bring a study by C-MOVE to ourselves, as what the source sent', async () => {
    const { status, body, headers } = await pull({ source: 'QRMOVE', accessionNumber: 'MOVE1' });
    expect([status, headers.get('location')]).toEqual([202, `/api/dimse/pulls/${String(body['id'])}`]);
    await ended(body['id'], {
      state: 'completed',
      studies: { found: 1, asked: 1, failed: 0 },
      instances: { received: 3, failed: 0 },
      asksFor: { accessionNumber: 'MOVE1' },
    });
    expect(await kept('1.2.10')).toHaveLength(3);
    expect((await kept('1.2.10'))[0]).toMatchObject({ source: 'QRMOVE', origin: 'dimse' });
  });

  it('bring one by C-GET, with the title of the source', async () => {
    const { body } = await pull({ source: 'QRGET', studyInstanceUid: '1.2.20' });
    await ended(body['id'], { state: 'completed', instances: { received: 3, failed: 0 } });
    expect(await kept('1.2.20')).toEqual(
      [1, 2, 3].map((number) => ({ sop_instance_uid: `1.2.20.1.${number}`, source: 'QRGET', origin: 'dimse' })),
    );
    const rows = await node.rows(
      `select count(*)::int as released from dimse_ingest.outbox where topic = 'imaging.association.released.v1'
       union all select count(*)::int from event_log.events where topic = 'imaging.association.released.v1' and key = '1.2.20'`,
    );
    expect(rows.reduce((sum, { released }) => sum + Number(released), 0)).toBeGreaterThan(0);
  });

  it("bring a patient's studies of the modalities and days that were asked for", async () => {
    const priors = { source: 'QRMOVE', patientId: 'P-MOVE', studyDateFrom: '2026-01-01', studyDateTo: '2026-01-31' };
    const { body } = await pull({ ...priors, modalities: ['CT', 'MR'] });
    await ended(body['id'], { state: 'completed', studies: { found: 2 }, instances: { received: 5 } });
    const none = await pull({ ...priors, studyDateTo: '2026-01-01' });
    await ended(none.body['id'], { state: 'completed', studies: { found: 0, asked: 0 } });
    // More than may be: none is asked for.
    const many = await pull({ source: 'QRMOVE', patientId: 'P-MANY' });
    await ended(many.body['id'], { state: 'failed', errorCode: 'dimse-ingest.pull-too-broad', studies: { asked: 0 } });
    expect(await kept('1.2.13.1')).toEqual([]);
  });

  it.each([
    ['C-MOVE', 'QRMOVE', '1.2.12'],
    ['C-GET', 'QRGET', '1.2.22'],
  ])('go on after a restart in the middle of a %s, and keep each instance once', async (_, source, study) => {
    const { body } = await pull({ source, studyInstanceUid: study });
    await expect.poll(async () => (await kept(study)).length, { timeout: 15_000, interval: 20 }).toBeGreaterThan(3);
    await node.restart();
    await ended(body['id'], { state: 'completed', instances: { received: long, failed: 0 } }, 30_000);
    expect(await kept(study)).toHaveLength(long);
    // Claimed again.
    const [row] = await node.rows('select fence::int as fence from dimse_ingest.pull where id = $1', body['id']);
    expect(row?.['fence']).toBeGreaterThan(1);
  });

  it('wait for a source that is away, are one for the same request, and can be cancelled', async () => {
    const request = { source: 'GONE', patientId: 'P-1', issuerOfPatientId: 'H' };
    const [first, second] = await Promise.all([pull(request), pull(request)]);
    expect(new Set([first.status, second.status])).toEqual(new Set([202, 200]));
    const { id } = first.body;
    expect(second.body['id']).toBe(id);
    await ended(id, { state: 'waiting', errorCode: 'dimse.peer-unreachable', studies: { asked: 0 } });
    // How long it waited for its turn is no matter of the source's.
    await node.rows(
      `update dimse_ingest.pull set created_at = now() - interval '3 days', next_attempt_at = now() where id = $1`,
      id,
    );
    const attempts = () => node.rows('select attempts >= 2 as again, state from dimse_ingest.pull where id = $1', id);
    await expect.poll(attempts, { timeout: 10_000 }).toEqual([{ again: true, state: 'open' }]);
    await node.rows(
      `update dimse_ingest.pull set away_since = now() - interval '3 days', next_attempt_at = now() where id = $1`,
      id,
    );
    await ended(id, { state: 'failed', errorCode: 'dimse.peer-unreachable' });
    const next = (await pull(request)).body['id'];
    expect(next).not.toBe(id);
    expect((await node.call('DELETE', `/pulls/${String(next)}`)).body).toMatchObject({ state: 'cancelled' });
    const key = { 'idempotency-key': 'k-1' };
    const keyed = await pull({ source: 'GONE', accessionNumber: 'A1' }, key);
    await node.call('DELETE', `/pulls/${String(keyed.body['id'])}`);
    expect((await pull({ source: 'GONE', accessionNumber: 'A1' }, key)).body).toMatchObject({ id: keyed.body['id'] });
    expect((await pull({ source: 'GONE', accessionNumber: 'A2' }, key)).status).toBe(409);
  });

  it('refuse what would match others, and say no value', async () => {
    for (const body of [
      { source: 'QRMOVE', patientId: 'P*' },
      { source: 'QRMOVE', patientId: 'P-1', accessionNumber: 'A' },
      { source: 'QRMOVE', modalities: ['CT'] },
      { source: 'QRMOVE', patientId: 'P-1', studyDateFrom: '2026-02-30' },
      { source: 'QRMOVE' },
    ]) {
      const { status, body: problem } = await pull(body);
      expect([status, problem['title']], JSON.stringify(body)).toEqual([400, 'dimse-ingest.malformed-request']);
      expect(JSON.stringify(problem)).not.toContain('P-1');
    }
    expect((await pull({ source: 'NOBODY', accessionNumber: 'A' })).status).toBe(404);
  });

  it('are listed without what identifies a patient, which is erased after a while', async () => {
    const { body } = await node.call('GET', '/pulls?limit=200');
    const listed = body['pulls'] as Record<string, unknown>[];
    expect(listed.length).toBeGreaterThan(5);
    expect(JSON.stringify(listed)).not.toMatch(/P-MOVE|MOVE1|asksFor/);
    const [first] = await node.rows(`update dimse_ingest.pull set ended_at = now() - interval '8 days'
      where state = 'completed' returning id`);
    await node.service.app.get<Pulls>(PULLS).prune(7, 90);
    expect(await state(first?.['id'])).not.toHaveProperty('asksFor');
    expect(
      await node.rows('select 1 from dimse_ingest.pull where id = $1 and selector is null', first?.['id']),
    ).toHaveLength(1);
  });
});

function startArchive(folder: string, port: number, ourPort: number): Promise<ServerProcess> {
  const config = join(folder, 'dcmqrscp.cfg');
  const text = [
    `NetworkTCPPort = ${port}`,
    'MaxPDUSize = 16384',
    'MaxAssociations = 16',
    'HostTable BEGIN',
    `ours = (CALLOSUM, 127.0.0.1, ${ourPort})`,
    'HostTable END',
    'VendorTable BEGIN',
    'VendorTable END',
    'AETable BEGIN',
    `QRMOVE ${join(folder, 'move')} RW (200, 1024mb) ANY`,
    `QRGET ${join(folder, 'get')} RW (200, 1024mb) ANY`,
    'AETable END',
    '',
  ];
  const start = async (): Promise<ServerProcess> => {
    await Promise.all([mkdir(join(folder, 'move')), mkdir(join(folder, 'get')), writeFile(config, text.join('\n'))]);
    return startProcess({
      command: 'dcmqrscp',
      args: ['-c', config],
      options: { env: { ...process.env, TCP_NODELAY: '1' } },
      ready: () => accepts(port),
      readyTimeoutMs: 20_000,
    });
  };
  return start();
}
