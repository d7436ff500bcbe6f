import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { freePort, TestOidc } from '@callosum/testing';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { dismissWelcome, launchChromium } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { newFolder, root } from './harness/paths.js';
import { type Finished, run, startGroup } from './harness/processes.js';
import { smallPhantom, storescu, writeStudy } from './harness/studies.js';

const audience = 'https://callosum.example/api';
/** Origin of a viewer that the site serves by itself. */
const elsewhere = 'https://viewer.example';
const people = { 'dr-reader': ['dicom-reader'], 'dr-nobody': [] };
const clients = [
  { clientId: 'pacs', secret: 'pacs-secret', roles: ['dicom-reader', 'dicom-writer'] },
  { clientId: 'ehr', secret: 'ehr-secret', roles: ['fhir-reader'] },
  { clientId: 'mpi-desk', secret: 'desk-secret', roles: ['identity-desk', 'fhir-writer'] },
  { clientId: 'nobody', secret: 'nobody-secret' },
];

describe('a site that asks everybody who they are', () => {
  let oidc: TestOidc;
  let system: Callosum;
  let metricsUrl: string;
  const study = smallPhantom({ uidSalt: 'authentication' });
  const ports: Record<string, string> = {};

  /** The command line tool on this system's data folder. */
  const callosum = (...args: string[]): Promise<Finished> =>
    run(process.execPath, [join(root, 'apps/cli/bin/callosum.mjs'), ...args], {
      env: { CALLOSUM_DATA_DIR: system.dataDir },
      cwd: root,
    });
  const token = (client: string): Promise<string> => oidc.clientToken(client);
  const get = async (client: string | undefined, path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(system.httpUrl + path, {
      ...init,
      headers: { ...init.headers, ...(client === undefined ? {} : { authorization: `Bearer ${await token(client)}` }) },
    });
  const eventually = async <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => {
    for (const deadline = Date.now() + 120_000; Date.now() < deadline;) {
      const found = await look();
      if (found !== undefined) return found;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    throw new Error(`${what} did not come:\n${system.logs().slice(-3000)}`);
  };

  beforeAll(async () => {
    const [metricsPort, httpPort] = [await freePort(), await freePort()];
    metricsUrl = `http://127.0.0.1:${metricsPort}/metrics`;
    const redirectUris = [`http://127.0.0.1:${httpPort}/viewer/callback`];
    oidc = await TestOidc.start({
      audience,
      people,
      clients: [...clients, { clientId: 'callosum-viewer', redirectUris }],
    });
    Object.assign(ports, {
      CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer,
      CALLOSUM_AUTH_OIDC_AUDIENCE: audience,
      CALLOSUM_AUTH_WORKERS: 'credential',
      CALLOSUM_METRICS_PORT: String(metricsPort),
      CALLOSUM_DIMSE_AES: JSON.stringify([{ aet: 'CT1', host: '127.0.0.1', port: 104 }]),
      // Reached from other machines: that is what the rest is for.
      CALLOSUM_DIMSE_HOST: '0.0.0.0',
      CALLOSUM_HTTP_HOST: '0.0.0.0',
      CALLOSUM_CORS_ORIGINS: elsewhere,
    });
    system = await Callosum.start('authentication', { env: ports, worker: false, httpPort });
  });
  afterAll(async () => {
    await system?.stop();
    await oidc?.stop();
  });

  it('answers probes, and metrics on their own port only', async () => {
    for (const path of ['/healthz', '/readyz']) expect((await fetch(system.httpUrl + path)).status).toBe(200);
    expect((await fetch(`${system.httpUrl}/metrics`)).status).toBe(404);
    const metrics = await fetch(metricsUrl);
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).toContain('target_info');
  });

  it.each([
    ['/dicom-web/studies', 'text/plain'],
    ['/fhir/Patient', 'application/fhir+json'],
    ['/api/identity/quarantine', 'application/problem+json'],
    ['/api/inference/jobs?study=1.2', 'application/problem+json'],
    ['/api/dimse/aes', 'application/problem+json'],
  ])('tells nothing at %s without a token, nor with one that may not', async (path, type) => {
    const none = await get(undefined, path);
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="callosum"']);
    expect(none.headers.get('content-type')).toContain(type);
    expect((await get('nobody', path)).status).toBe(403);
  });

  it('tells everybody how to sign in', async () => {
    const statement = (await (await get(undefined, '/fhir/metadata')).json()) as {
      rest: { security?: { description?: string; service?: { coding: { code: string }[] }[] } }[];
    };
    expect(statement.rest[0]?.security?.service?.[0]?.coding[0]?.code).toBe('OAuth');
    expect(statement.rest[0]?.security?.description).toContain(oidc.issuer);
  });

  it('lets a viewer of another origin ask, sign in and read, and tells it why when it may not', async () => {
    const ask = (client: string | undefined, origin: string, init: RequestInit = {}): Promise<Response> =>
      get(client, '/dicom-web/studies', { ...init, headers: { origin, ...init.headers } });
    const allowed = (answer: Response): (string | number | null)[] => [
      answer.status,
      answer.headers.get('access-control-allow-origin'),
    ];
    const preflight = {
      method: 'OPTIONS',
      headers: { 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' },
    };
    const before = await ask(undefined, elsewhere, preflight);
    expect(allowed(before)).toEqual([204, elsewhere]);
    expect(before.headers.get('access-control-allow-headers')).toContain('authorization');
    expect(allowed(await ask(undefined, elsewhere))).toEqual([401, elsewhere]);
    expect(allowed(await ask('nobody', elsewhere))).toEqual([403, elsewhere]);
    expect(allowed(await ask('pacs', elsewhere))).toEqual([204, elsewhere]);
    // Another origin is told nothing: its preflight is no more than a question for capabilities, which are for everybody.
    for (const client of [undefined, 'pacs'])
      for (const init of [preflight, {}])
        expect((await ask(client, 'https://evil.example', init)).headers.get('access-control-allow-origin')).toBeNull();
    const refused = await get(undefined, '/dicom-web/studies/1.2.3', { method: 'DELETE' });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS, POST']);
  });

  it('rejects an AE it does not know', async () => {
    const folder = writeStudy(study);
    const unknown = await storescu(system, [folder], { callingAet: 'E2E' });
    expect(unknown.code).not.toBe(0);
    expect(unknown.stdout + unknown.stderr).toMatch(/Calling AE Title Not Recognized/i);
  });

  it('takes a worker with a credential from the command line, and none without', async () => {
    const without = await worker({});
    expect(without.code).toBe(1);
    expect(without.log).toContain('refuses this credential');
    const issued = await callosum('workers', 'issue', '--vendor', 'Callosum', '--label', 'e2e', '--expires', '1');
    expect(issued.code, issued.stderr).toBe(0);
    const credential = /^token +(\S+)$/m.exec(issued.stdout)?.[1] ?? '';
    const listed = await callosum('workers', 'list');
    expect(listed.stdout).toMatch(/Callosum {2}e2e {2}expires .* {2}issued .* by local {2}never used/);
    expect(listed.stdout).not.toContain(credential.slice(-20));
    await system.startWorker({
      ...process.env,
      CALLOSUM_WORKER_TARGET: `127.0.0.1:${system.grpcPort}`,
      CALLOSUM_WORKER_TOKEN: credential,
    });
    await eventually('the registration', () =>
      Promise.resolve(system.logs().includes('worker.registered') ? true : undefined),
    );
  });

  it('takes a study of a known AE all the way to the report', async () => {
    const sent = await storescu(system, [writeStudy(study)], { callingAet: 'CT1' });
    expect(sent.code, sent.stderr).toBe(0);
    const report = await eventually('the report', async () => {
      const answer = await get('ehr', '/fhir/DiagnosticReport');
      const bundle = (await answer.json()) as { entry?: { resource: { status: string } }[] };
      return bundle.entry?.[0]?.resource;
    });
    expect(report.status).toBe('preliminary');
    const found = await get('pacs', `/dicom-web/studies?StudyInstanceUID=${study.studyInstanceUid}`);
    expect(((await found.json()) as unknown[]).length).toBe(1);
    expect((await get('ehr', `/dicom-web/studies`)).status).toBe(403);
    expect((await get('ehr', '/fhir/Patient', { method: 'POST', body: '{}' })).status).toBe(403);
  });

  it('names whoever resolved a quarantine by the token, not by what they typed', async () => {
    const unidentified = smallPhantom({ uidSalt: 'authentication-2', patient: { patientId: '' } });
    const sent = await storescu(system, [writeStudy(unidentified)], { callingAet: 'CT1' });
    expect(sent.code, sent.stderr).toBe(0);
    const quarantined = await eventually('the quarantine', async () => {
      const answer = await get('mpi-desk', '/api/identity/quarantine');
      const { decisions } = (await answer.json()) as { decisions: { decisionId: string }[] };
      return decisions[0];
    });
    const resolved = await get('mpi-desk', `/api/identity/quarantine/${quarantined.decisionId}/resolve`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ decidedBy: 'Somebody Else', action: 'create-patient' }),
    });
    expect(resolved.status).toBe(200);
    expect(await resolved.json()).toMatchObject({ state: 'linked', decidedBy: 'mpi-desk' });
  });

  describe('the viewer', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launchChromium();
    });
    afterAll(() => browser.close());

    /** Opens the study list as somebody who signs in at the provider's own forms. */
    const signIn = async (person: string) => {
      const page = await (await browser.newContext({ viewport: { width: 1400, height: 900 } })).newPage();
      const statuses: number[] = [];
      page.on('response', (response) => {
        if (response.url().includes('/dicom-web/')) statuses.push(response.status());
      });
      await page.goto(`${system.httpUrl}/viewer`);
      await page.locator('input[name="login"]').fill(person, { timeout: 60_000 });
      await page.locator('input[name="password"]').fill('any');
      await page.locator('button[type="submit"]').click();
      await page.locator('button[type="submit"]').click();
      await page.waitForURL((url) => url.origin === system.httpUrl && !url.pathname.endsWith('/callback'), {
        timeout: 60_000,
      });
      return { page, statuses };
    };

    it('sends people to sign in, and shows them the studies', async () => {
      const { page, statuses } = await signIn('dr-reader');
      await dismissWelcome(page);
      await page.getByText('CT', { exact: false }).first().waitFor({ timeout: 60_000 });
      await eventually('the list', () => Promise.resolve(statuses.includes(200) || undefined));
      expect(statuses.filter((status) => status >= 400)).toEqual([]);
    });

    it('shows nothing to who may see nothing', async () => {
      const { statuses } = await signIn('dr-nobody');
      await eventually('an answer', () => Promise.resolve(statuses.includes(403) || undefined));
      expect(statuses).not.toContain(200);
    });
  });

  it('cuts a worker off whose credential is revoked', async () => {
    const listed = await callosum('workers', 'list');
    const id = listed.stdout.split(' ')[0] ?? '';
    expect((await callosum('workers', 'revoke', id)).code).toBe(0);
    await eventually('the end of its stream', () =>
      Promise.resolve(system.logs().includes('credential.ended-a-call') || undefined),
    );
    expect((await callosum('workers', 'list')).stdout).toMatch(/revoked/);
    expect((await callosum('workers', 'revoke', crypto.randomUUID())).code).toBe(1);
    expect((await callosum('workers', 'issue')).code).toBe(2);
  });

  it('writes no token and no secret into its log', async () => {
    const logs = system.logs();
    expect(logs).not.toMatch(/cwc_|eyJ|-secret/);
    const keys = JSON.parse(readFileSync(join(system.dataDir, 'service-keys.json'), 'utf8')) as {
      keys: { k: string }[];
    };
    for (const { k } of keys.keys) expect(logs).not.toContain(k);
  });

  /** The reference worker until it ends. */
  async function worker(env: NodeJS.ProcessEnv): Promise<{ code: number | null; log: string }> {
    const { openSync } = await import('node:fs');
    const path = join(newFolder('worker'), 'worker.log');
    const group = startGroup(
      process.execPath,
      [join(root, 'examples/lung-ct/dist/main.js')],
      { ...process.env, CALLOSUM_WORKER_TARGET: `127.0.0.1:${system.grpcPort}`, ...env },
      root,
      openSync(path, 'a'),
    );
    const code = await group.exited;
    return { code, log: readFileSync(path, 'utf8') };
  }
});

describe('a start on another address than loopback', () => {
  it.each([
    ['CALLOSUM_HTTP_HOST', 'CALLOSUM_AUTH_OIDC_ISSUER'],
    ['CALLOSUM_GRPC_HOST', 'CALLOSUM_AUTH_WORKERS'],
    ['CALLOSUM_DIMSE_HOST', 'CALLOSUM_DIMSE_AES'],
  ])('by %s fails at once, and says that %s is missing', async (host, needs) => {
    const ended = await run(process.execPath, [join(root, 'apps/all-in-one/dist/main.js')], {
      env: { CALLOSUM_DATA_DIR: newFolder('bind'), CALLOSUM_HTTP_PORT: String(await freePort()), [host]: '0.0.0.0' },
      cwd: root,
      timeoutMs: 60_000,
    });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain(host);
    expect(ended.stderr).toContain(needs);
  });
});
