import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { echo, ScuAssociation } from '@callosum/dimse';
import { preparePlatform, type RunningService, startService } from '@callosum/runtime';
import { startPostgres, TestOidc, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { DimseListener, dimseIngest } from './index.js';

const audience = 'https://callosum.example/api';
const port = 104;

/** AEs by the API, at two replicas on one PostgreSQL; the second asks callers for tokens. */
describe('application entities', () => {
  let postgres: TestPostgres;
  let oidc: TestOidc;
  let folder: string;
  const replicas: RunningService[] = [];
  const servers: Server[] = [];

  beforeAll(async () => {
    postgres = await startPostgres();
    folder = await mkdtemp(join(tmpdir(), 'callosum-entities-'));
    oidc = await TestOidc.start({ audience, clients: [] });
    const admin = await postgres.createDatabase();
    const passwordOf = (role: string): string => `password of ${role}`;
    await preparePlatform({ admin, definitions: [dimseIngest], passwordOf, eventLogInPostgres: true });
    const env = {
      CALLOSUM_LOG_LEVEL: 'fatal',
      CALLOSUM_DIMSE_PORT: '0',
      CALLOSUM_DIMSE_AES: JSON.stringify([
        { aet: 'FIXED', host: '127.0.0.1' },
        { aet: 'FIXED', host: '10.0.0.1' },
      ]),
      CALLOSUM_DATABASE_PORT: String(admin.port),
      CALLOSUM_DATABASE_NAME: admin.database,
      CALLOSUM_DATABASE_PASSWORD: passwordOf('dimse_ingest'),
      CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    };
    const keysFile = join(folder, 'keys.json');
    await writeFile(keysFile, JSON.stringify({ keys: [{ kid: 'one', k: randomBytes(32).toString('base64url') }] }));
    const asking = {
      CALLOSUM_AUTH_SERVICE_KEYS_FILE: keysFile,
      CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer,
      CALLOSUM_AUTH_OIDC_AUDIENCE: audience,
      CALLOSUM_DIMSE_USER_IDENTITY: 'optional',
      CALLOSUM_DIMSE_IDENTITY_IN_CLEAR: 'true',
    };
    for (const [index, more] of [{}, asking].entries()) {
      const objects = { CALLOSUM_OBJECT_STORE_DIR: join(folder, String(index)) };
      const replica = await startService(dimseIngest, { ...env, ...objects, ...more });
      replicas.push(replica);
      const server = createServer((request, response) => replica.handle(request, response));
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    }
  });
  afterAll(async () => {
    for (const server of servers) server.close();
    for (const replica of replicas) await replica.close();
    await oidc?.stop();
    await postgres?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  interface Answered {
    readonly status: number;
    readonly headers: Headers;
    readonly body: Record<string, unknown>;
  }
  async function ask(method: string, path = '', body?: object, headers = {}, replica = 0): Promise<Answered> {
    const base = `http://127.0.0.1:${(servers[replica]?.address() as AddressInfo).port}/api/dimse/aes`;
    const response = await fetch(`${base}${path}`, {
      method,
      headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, headers: response.headers, body: json };
  }
  const dimsePort = (replica: number): number => replicas[replica]?.app.get(DimseListener).port ?? 0;
  const to = (callingAet: string, replica: number) => ({
    host: '127.0.0.1',
    port: dimsePort(replica),
    calledAet: 'CALLOSUM',
    callingAet,
  });
  const mayCall = (callingAet: string, replica: number): Promise<unknown> =>
    echo(to(callingAet, replica)).then(
      () => true,
      ({ reason }: { reason?: number }) => (reason === 3 ? false : reason),
    );
  const soon = { timeout: 5_000, interval: 200 };

  it('are created, changed and removed, and each replica obeys within seconds, without a restart', async () => {
    expect(await mayCall('CT1', 1)).toBe(false);
    const created = await ask('POST', '', { aet: 'CT1', host: '127.0.0.1', port });
    expect([created.status, created.headers.get('location')]).toEqual([201, '/api/dimse/aes/CT1']);
    expect(created.body).toMatchObject({ aet: 'CT1', port, origin: 'table', changedBy: 'anonymous' });
    // The replica that was asked knows at once.
    expect(await mayCall('CT1', 0)).toBe(true);
    await expect.poll(() => mayCall('CT1', 1), soon).toBe(true);
    expect((await ask('PUT', '/CT1', { host: '10.0.0.1' })).status).toBe(200);
    await expect.poll(() => mayCall('CT1', 1), soon).toBe(false);
    expect((await ask('GET', '/CT1')).body).toMatchObject({ host: '10.0.0.1' });
    expect((await ask('DELETE', '/CT1')).status).toBe(204);
    expect((await ask('GET', '/CT1')).status).toBe(404);
    expect((await ask('DELETE', '/CT1')).status).toBe(404);
  });

  it('are changed by one of two people at the same time, and the other is told', async () => {
    const { headers, body } = await ask('POST', '', { aet: 'MR1', host: '10.0.0.1' });
    const etag = { 'if-match': headers.get('etag') ?? '' };
    const put = (host: string) => ask('PUT', '/MR1', { ...body, host }, etag);
    const answers = await Promise.all(['10.0.0.2', '10.0.0.3'].map(put));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 412]);
    expect((await ask('DELETE', '/MR1', undefined, etag)).status).toBe(412);
    expect((await ask('PUT', '/MR1', { host: '10.0.0.4' }, { 'if-none-match': '*' })).status).toBe(412);
    expect((await ask('PUT', '/NEW', { host: '10.0.0.4' }, { 'if-match': '*' })).status).toBe(412);
    const newest = { 'if-match': (await ask('GET', '/MR1')).headers.get('etag') ?? '' };
    expect((await ask('DELETE', '/MR1', undefined, newest)).status).toBe(204);
  });

  it('of the setting are there always and cannot be changed', async () => {
    const listed = (await ask('GET')).body['aes'] as { aet: string; host: string; origin: string }[];
    expect(listed.filter(({ origin }) => origin === 'setting').map(({ host }) => host)).toEqual([
      '127.0.0.1',
      '10.0.0.1',
    ]);
    expect((await ask('GET', '/FIXED')).body).toMatchObject({ hosts: ['127.0.0.1', '10.0.0.1'] });
    for (const [method, path] of [
      ['POST', ''],
      ['PUT', '/FIXED'],
      ['DELETE', '/FIXED'],
    ] as const) {
      const body = method === 'DELETE' ? undefined : { aet: 'FIXED', host: '10.0.0.9' };
      const { status, headers, body: problem } = await ask(method, path, body);
      expect([status, problem['title'], headers.get('content-type')?.split(';')[0]]).toEqual([
        409,
        'dimse-ingest.fixed-ae',
        'application/problem+json',
      ]);
    }
  });

  it.each<[string, object, RegExp]>([
    ['a host that is none', { aet: 'CT2', host: '10.0.0.300' }, /host/],
    ['a word nobody reads', { aet: 'CT2', host: '10.0.0.1', tls: { requierd: true } }, /tls\.requierd/],
    ['a title that is none', { aet: 'CT\\2', host: '10.0.0.1' }, /aet/],
  ])('with %s are refused by the name of the member', async (_what, body, problem) => {
    const answer = await ask('POST', '', body);
    expect([answer.status, answer.body['detail']]).toEqual([400, expect.stringMatching(problem)]);
  });

  it('keep passcodes to themselves, and over an answer that is sent back', async () => {
    const users = [{ name: 'zoë', passcode: 'geheim' }, { name: 'technician' }];
    const entry = { aet: 'WS1', host: '127.0.0.1', users };
    // The first replica asks nobody for a user: what is meant to protect would not.
    const ignored = await ask('POST', '', entry);
    expect([ignored.status, ignored.body['title']]).toEqual([409, 'dimse-ingest.users-ignored']);
    const authorization = { authorization: `Bearer ${await oidc.sign({ roles: ['operator'] })}` };
    const created = await ask('POST', '', entry, authorization, 1);
    expect(created.body['users']).toEqual([
      { name: 'zoë', passcodeSet: true },
      { name: 'technician', passcodeSet: false },
    ]);
    const again = await ask('PUT', '/WS1', { ...created.body, description: 'reading room' }, authorization, 1);
    expect(again.status).toBe(200);
    const listed = JSON.stringify([(await ask('GET')).body, (await ask('GET', '/WS1')).body]);
    expect(listed).not.toMatch(/geheim|scrypt/);
    const identified = (passcode: string) => ({ ...to('WS1', 1), userIdentity: { username: 'zoë', passcode } });
    await expect.poll(() => echo(identified('geheim')).catch(() => undefined), soon).toEqual({ status: 0 });
    await expect(echo(identified('Geheim'))).rejects.toMatchObject({ reason: 1 });
    // Whose entry has users calls with one.
    await expect(echo(to('WS1', 1))).rejects.toMatchObject({ reason: 1 });
    const other = { host: '127.0.0.1', users: [{ name: 'other', passcodeSet: true }] };
    expect((await ask('PUT', '/WS1', other, authorization, 1)).status).toBe(400);
  });

  it('are asked by a C-ECHO whether they are there', async () => {
    await ask('POST', '', { aet: 'CALLOSUM', host: '127.0.0.1', port: dimsePort(0) });
    expect(await ask('POST', '/CALLOSUM/echo')).toMatchObject({
      status: 200,
      body: { aet: 'CALLOSUM', ok: true, status: '0000', seconds: expect.any(Number) as number },
    });
    await ask('PUT', '/CALLOSUM', { host: '127.0.0.1', port: 1 });
    const { body } = await ask('POST', '/CALLOSUM/echo');
    expect(body).toMatchObject({ ok: false, code: 'dimse.peer-unreachable' });
    expect(body['detail']).toMatch(/ECONNREFUSED/);
    expect((await ask('POST', '/FIXED/echo')).status).toBe(409);
    expect((await ask('POST', '/NOBODY/echo')).status).toBe(404);
  });

  it('are for operators only', async () => {
    const as = async (role: string) => {
      const authorization = `Bearer ${await oidc.sign({ roles: [role] })}`;
      return (await ask('GET', '', undefined, { authorization }, 1)).status;
    };
    expect([(await ask('GET', '', undefined, {}, 1)).status, await as('dicom-writer'), await as('operator')]).toEqual([
      401, 403, 200,
    ]);
  });

  it('name users by tokens of the identity provider, who may what their roles say', async () => {
    const ct = { abstractSyntaxUid: '1.2.840.10008.5.1.4.1.1.2', transferSyntaxUids: ['1.2.840.10008.1.2.1'] };
    const contexts = async (jwt: string): Promise<number> => {
      const userIdentity = { jwt, positiveResponseRequested: true };
      const association = await ScuAssociation.open({ ...to('FIXED', 1), userIdentity }, [ct]);
      expect(association.userIdentityResponse).toHaveLength(0);
      await association.release();
      return association.contexts.length;
    };
    expect(await contexts(await oidc.sign({ roles: ['dicom-writer'] }))).toBe(1);
    expect(await contexts(await oidc.sign({ roles: ['dicom-reader'] }))).toBe(0);
    for (const claims of [{ roles: [] }, { roles: ['dicom-writer'], exp: 1 }, { roles: ['dicom-writer'], aud: 'x' }])
      await expect(contexts(await oidc.sign(claims))).rejects.toMatchObject({ result: 1, source: 1, reason: 1 });
  });
});
