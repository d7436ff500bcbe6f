import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { readPart10 } from '@callosum/dimse';
import {
  accepts,
  freePort,
  MissingPrerequisite,
  orSkip,
  startPostgres,
  startProcess,
  testDataPath,
  type TestPostgres,
} from '@callosum/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { image } from './test-support/images.js';
import { TestNode } from './test-support/node.js';
import { TestDestination } from './test-support/test-destination.js';

const implicitVrLittleEndian = '1.2.840.10008.1.2';
const postgres = await orSkip(() => startPostgres());
const dcmtk = await orSkip(async () => {
  await promisify(execFile)('storescp', ['--version']).catch((cause: unknown) => {
    throw new MissingPrerequisite('DCMTK is not on this machine', 'apt-get install dcmtk', { cause });
  });
  return true;
});

/** dimse-ingest as it is deployed, with nodes behind it: real PostgreSQL, real sockets. */
describe.skipIf(postgres.missing !== undefined)('forwarding', () => {
  const server = postgres.server as TestPostgres;
  const ports = { PACS: 0, OTHER: 0 };
  let node: TestNode;
  const destinations: TestDestination[] = [];
  let studies = 0;
  /** A study of this test's own. */
  const study = (): string => `1.2.840.${(studies += 1)}`;

  beforeAll(async () => {
    ports.PACS = await freePort();
    ports.OTHER = await freePort();
    const entities = [
      { aet: 'CT1', host: '127.0.0.1' },
      { aet: 'PACS', host: '127.0.0.1', port: ports.PACS },
      { aet: 'OTHER', host: '127.0.0.1', port: ports.OTHER },
    ];
    node = await TestNode.start(
      server,
      { CALLOSUM_DIMSE_AES: JSON.stringify(entities), CALLOSUM_FORWARD_IDLE_MS: '1500' },
      { http: true },
    );
  });
  afterEach(async () => {
    const { body } = await node.call('GET', '/forwarding-rules');
    for (const { id } of body['rules'] as { id: string }[]) await node.call('DELETE', `/forwarding-rules/${id}`);
    await node.rows('truncate dimse_ingest.forward_queue, dimse_ingest.forward_destination');
    for (const destination of destinations.splice(0)) await destination.close();
  });
  afterAll(async () => {
    await node?.stop();
    await server?.stop();
  });

  const rule = async (destination: string, more: object = {}): Promise<string> => {
    const { status, body } = await node.call('POST', '/forwarding-rules', { destination, ...more });
    expect(status).toBe(201);
    return String(body['id']);
  };
  const destination = async (aet: 'PACS' | 'OTHER', options: Parameters<typeof TestDestination.start>[0] = {}) => {
    const started = await TestDestination.start({ ...options, port: ports[aet] });
    destinations.push(started);
    return started;
  };
  const queue = async (aet: string): Promise<Record<string, unknown>> => {
    const { body } = await node.call('GET', '/queues');
    return (body['queues'] as Record<string, unknown>[]).find((one) => one['destination'] === aet) ?? {};
  };
  const send = async (uid: string, files: readonly Uint8Array[], callingAet = 'CT1'): Promise<void> => {
    expect(
      (await node.send(files, callingAet)).map(({ status }) => status),
      uid,
    ).toEqual(files.map(() => 0));
  };
  const images = (uid: string, count: number): Buffer[] =>
    Array.from({ length: count }, (_, index) => image(`${uid}.1.${index + 1}`, { study: uid }));
  const datasetOf = async (file: Buffer): Promise<Buffer> => file.subarray((await readPart10(file)).datasetOffset);

  it.skipIf(dcmtk.missing !== undefined)('gives DCMTK what came, byte for byte, private attributes too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'callosum-storescp-'));
    const storescp = await startProcess({
      command: 'storescp',
      args: ['--bit-preserving', '+xa', '-aet', 'PACS', '-od', folder, String(ports.PACS)],
      options: { env: { ...process.env, TCP_NODELAY: '1' } },
      ready: () => accepts(ports.PACS),
      readyTimeoutMs: 20_000,
    });
    try {
      const uid = study();
      const files = images(uid, 3);
      await rule('PACS', { sources: ['CT*'], sopClasses: ['CT'] });
      await send(uid, [...files, image(`${uid}.1.9`, { study: uid, sopClass: '4' })]);
      await expect.poll(() => readdir(folder), { timeout: 15_000 }).toHaveLength(3);
      await expect.poll(async () => (await queue('PACS'))['waiting'], { timeout: 5_000 }).toBe(0);
      const received = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name))));
      const sent = await Promise.all(files.map(datasetOf));
      for (const file of received) {
        const dataset = await datasetOf(file);
        expect(sent.some((one) => one.equals(dataset))).toBe(true);
      }
    } finally {
      await storescp.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });

  const codecs = testDataPath('codecs');
  it.skipIf(!codecs)(
    'gives every codec of the test data in the transfer syntax it came in, byte for byte',
    async () => {
      const pacs = await destination('PACS');
      await rule('PACS');
      const files = new Map<string, Buffer>();
      for (const name of (await readdir(codecs ?? '')).filter((entry) => entry.endsWith('.dcm'))) {
        const file = await readFile(join(codecs ?? '', name));
        const { sopInstanceUid } = await readPart10(file);
        // Of those that share a UID the first: the archive has the others as conflicts or duplicates.
        if (!files.has(sopInstanceUid)) files.set(sopInstanceUid, file);
      }
      await send('codecs', [...files.values()]);
      await expect.poll(() => new Set(pacs.uids).size, { timeout: 30_000 }).toBe(files.size);
      for (const { sopInstanceUid, transferSyntaxUid, bytes } of pacs.taken) {
        const file = files.get(sopInstanceUid) ?? Buffer.alloc(0);
        expect(transferSyntaxUid).toBe((await readPart10(file)).transferSyntaxUid);
        expect(bytes.equals(await datasetOf(file)), `${sopInstanceUid} ${transferSyntaxUid}`).toBe(true);
      }
    },
  );

  it('a destination that is away keeps nobody waiting, and gets all when it is back', async () => {
    const uid = study();
    const pacs = await destination('PACS');
    await rule('PACS');
    await rule('OTHER');
    await send(uid, images(uid, 20));
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(20);
    await expect
      .poll(() => queue('OTHER'), { timeout: 15_000 })
      .toMatchObject({ waiting: 20, failed: 0, lastErrorCode: 'dimse.peer-unreachable' });
    expect((await queue('OTHER'))['nextAttemptAt']).toBeDefined();
    const other = await destination('OTHER');
    expect((await node.call('POST', '/queues/OTHER/retry', {})).status).toBe(200);
    await expect.poll(() => new Set(other.uids).size, { timeout: 15_000 }).toBe(20);
    await expect.poll(() => queue('OTHER'), { timeout: 5_000 }).toMatchObject({ waiting: 0, oldestSeconds: 0 });
  });

  it('a modality that sends an image now and then is one association there, released when no more comes', async () => {
    const uid = study();
    const pacs = await destination('PACS');
    await rule('PACS');
    const files = images(uid, 4);
    for (const [index, file] of files.entries()) {
      await send(uid, [file]);
      await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(index + 1);
    }
    expect([pacs.associations, pacs.open]).toEqual([1, 1]);
    await expect.poll(() => pacs.open, { timeout: 5_000 }).toBe(0);
    await expect
      .poll(() => node.rows('select count(*)::int as places from dimse_ingest.forward_lease'), { timeout: 5_000 })
      .toEqual([{ places: 0 }]);
    await send(uid, images(`${uid}.9`, 1));
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(5);
    expect(pacs.associations).toBe(2);
  });

  it('one that a destination has no room for keeps no other waiting, and fails for a person in the end', async () => {
    const uid = study();
    const pacs = await destination('PACS', {
      answer: ({ sopInstanceUid }) => (sopInstanceUid.endsWith('.1') ? 0xa700 : 0),
    });
    await rule('PACS');
    await send(uid, images(uid, 3));
    const dueNow = () =>
      node.rows(`update dimse_ingest.forward_queue set next_attempt_at = now() where state = 'waiting'`);
    await expect.poll(() => queue('PACS'), { timeout: 15_000 }).toMatchObject({ waiting: 3, lastErrorCode: 'A700' });
    // The pause of the destination, not that of the instance.
    await node.rows('update dimse_ingest.forward_destination set next_attempt_at = now()');
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(2);
    for (let turn = 0; turn < 5; turn++) {
      await expect.poll(async () => (await queue('PACS'))['waiting'], { timeout: 15_000 }).toBe(1);
      await node.rows('update dimse_ingest.forward_destination set answered_at = now(), next_attempt_at = now()');
      await dueNow();
      const tried = `select 1 from dimse_ingest.forward_queue where attempts > ${turn} or state = 'failed'`;
      await expect.poll(() => node.rows(tried), { timeout: 15_000 }).toHaveLength(1);
    }
    await expect.poll(() => queue('PACS'), { timeout: 5_000 }).toMatchObject({ waiting: 0, failed: 1 });
  });

  it('goes on after a restart in the middle, and sends what was under way at most twice', async () => {
    const uid = study();
    const pacs = await destination('PACS', { answer: () => sleep(100).then(() => 0) });
    await rule('PACS');
    await send(uid, images(uid, 40));
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBeGreaterThan(5);
    expect(pacs.taken.length).toBeLessThan(30);
    await node.restart();
    await expect.poll(() => new Set(pacs.uids).size, { timeout: 20_000 }).toBe(40);
    await expect.poll(async () => (await queue('PACS'))['waiting'], { timeout: 5_000 }).toBe(0);
    expect(pacs.taken.length).toBeLessThanOrEqual(42);
  });

  it('keeps what was refused for good for a person, with its status, and goes on with the rest', async () => {
    const uid = study();
    let refusing = true;
    const pacs = await destination('PACS', {
      answer: ({ sopInstanceUid }) => (refusing && sopInstanceUid.endsWith('.2') ? 0xc123 : 0),
    });
    await rule('PACS');
    await send(uid, images(uid, 3));
    // The last of them may be queued when the others have ended.
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(2);
    await expect.poll(() => queue('PACS'), { timeout: 15_000 }).toMatchObject({ waiting: 0, failed: 1 });
    expect(await node.rows(`select error_code from dimse_ingest.forward_queue where state = 'failed'`)).toEqual([
      { error_code: 'C123' },
    ]);
    refusing = false;
    expect((await node.call('POST', '/queues/PACS/retry', { code: 'A900' })).body['instances']).toBe(0);
    expect((await node.call('POST', '/queues/PACS/retry', { code: 'C123' })).body['instances']).toBe(1);
    await expect.poll(() => pacs.taken.length, { timeout: 10_000 }).toBe(3);
  });

  it('changes the transfer syntax without loss only where the rule lets it', async () => {
    const uid = study();
    const pacs = await destination('PACS', { transferSyntaxUids: [implicitVrLittleEndian] });
    await destination('OTHER', { transferSyntaxUids: [implicitVrLittleEndian] });
    await rule('PACS');
    await rule('OTHER', { transcode: false });
    await send(uid, images(uid, 1));
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(1);
    expect(pacs.taken[0]?.transferSyntaxUid).toBe(implicitVrLittleEndian);
    expect(pacs.taken[0]?.bytes.includes('ACME PRIVATE')).toBe(true);
    await expect.poll(() => queue('OTHER'), { timeout: 15_000 }).toMatchObject({ waiting: 0, failed: 1 });
    const [row] = await node.rows(`select error_code from dimse_ingest.forward_queue where destination = 'OTHER'`);
    expect(row).toEqual({ error_code: 'dimse.context-refused' });
  });

  it('sends nothing back to whom it came from, a duplicate not again, and a correction once', async () => {
    const uid = study();
    const [pacs, other] = [await destination('PACS'), await destination('OTHER')];
    await rule('PACS');
    await rule('OTHER');
    await send(uid, images(uid, 1), 'PACS');
    await expect.poll(() => other.taken.length, { timeout: 15_000 }).toBe(1);
    await send(uid, images(uid, 1));
    await send(uid, [image(`${uid}.1.1`, { study: uid, name: 'Test^Corrected' })]);
    await expect.poll(() => other.taken.length, { timeout: 15_000 }).toBe(2);
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(1);
    expect(pacs.taken[0]?.bytes.includes('Test^Corrected')).toBe(true);
    await sleep(300);
    expect([pacs.taken.length, other.taken.length]).toEqual([1, 2]);
  });

  it('does not send what is no longer current, and forgets what was sent', async () => {
    const uid = study();
    await rule('PACS');
    await send(uid, images(uid, 1));
    const away = { waiting: 1, lastErrorCode: 'dimse.peer-unreachable' };
    await expect.poll(() => queue('PACS'), { timeout: 15_000 }).toMatchObject(away);
    await send(uid, [image(`${uid}.1.1`, { study: uid, name: 'Test^Corrected' })]);
    await expect.poll(async () => (await queue('PACS'))['waiting'], { timeout: 15_000 }).toBe(2);
    const pacs = await destination('PACS');
    await node.call('POST', '/queues/PACS/retry', {});
    await expect.poll(async () => (await queue('PACS'))['waiting'], { timeout: 15_000 }).toBe(0);
    expect(pacs.taken.map(({ bytes }) => bytes.includes('Test^Corrected'))).toEqual([true]);
    expect(await node.rows('select state, error_code from dimse_ingest.forward_queue order by id')).toEqual([
      { state: 'dropped', error_code: 'dimse-ingest.superseded' },
      { state: 'sent', error_code: null },
    ]);
  });

  it('sends a correction where what it corrects was to go, though no rule names its sender; no result', async () => {
    const uid = study();
    await rule('PACS', { sources: ['CT1'] });
    await send(uid, images(uid, 2));
    const away = { waiting: 2, lastErrorCode: 'dimse.peer-unreachable' };
    await expect.poll(() => queue('PACS'), { timeout: 15_000 }).toMatchObject(away);
    await send(uid, [image(`${uid}.1.1`, { study: uid, name: 'Test^Corrected' })], 'OTHER');
    // What a recovery may find out of an instance that waits.
    await node.rows(`update archive.intake set issued_by_callosum = true where sop_instance_uid = $1`, `${uid}.1.2`);
    const pacs = await destination('PACS');
    await node.call('POST', '/queues/PACS/retry', {});
    await expect.poll(() => pacs.taken.length, { timeout: 15_000 }).toBe(1);
    expect(pacs.taken[0]?.bytes.includes('Test^Corrected')).toBe(true);
    await expect.poll(async () => (await queue('PACS'))['waiting'], { timeout: 5_000 }).toBe(0);
    const rows = await node.rows(
      'select revision, state, error_code from dimse_ingest.forward_queue order by sop_instance_uid, revision',
    );
    expect(rows).toEqual([
      { revision: 1, state: 'dropped', error_code: 'dimse-ingest.superseded' },
      { revision: 2, state: 'sent', error_code: null },
      { revision: 1, state: 'dropped', error_code: 'dimse-ingest.own-result' },
    ]);
  });

  it('rules of the setting are there always; others can be made, changed and removed', async () => {
    await node.restart({ CALLOSUM_DIMSE_FORWARDING: '[{"destination":"OTHER","sources":["XX"]}]' });
    const id = await rule('PACS', { sopClasses: ['CT'] });
    const listed = (await node.call('GET', '/forwarding-rules')).body['rules'] as Record<string, unknown>[];
    expect(listed).toMatchObject([
      { id: 'setting-1', fixed: true, destination: 'OTHER' },
      { id, fixed: false, destination: 'PACS', sources: ['*'] },
    ]);
    expect((await node.call('PUT', `/forwarding-rules/${id}`, { destination: 'OTHER' })).body).toMatchObject({
      id,
      destination: 'OTHER',
    });
    expect((await node.call('PUT', '/forwarding-rules/setting-1', { destination: 'PACS' })).status).toBe(409);
    expect((await node.call('DELETE', '/forwarding-rules/nobody')).status).toBe(404);
    const refused = await node.call('POST', '/forwarding-rules', {
      destination: 'PACS',
      sopClasses: ['XY'],
      colour: 1,
    });
    expect([refused.status, refused.body['title']]).toEqual([400, 'dimse-ingest.malformed-request']);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    const results = await node.call('POST', '/forwarding-rules', { destination: 'PACS', include: 'results' });
    expect(results.status).toBe(400);
    expect((await node.call('DELETE', `/forwarding-rules/${id}`)).status).toBe(204);
    await node.restart({});
  });
});
