import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';

import { Authenticator, authorizeHttp, authSettings, setPrincipal } from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { tinyCt } from '@callosum/phantom';
import type { PlatformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import { TestOidc } from '@callosum/testing';
import type { ArgumentsHost } from '@nestjs/common';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { StoreInstances } from './application/store-instances.js';
import type { Guard } from './test-support/guard.js';
import { Blob } from './test-support/kept.js';
import { MemoryIntake } from './test-support/memory-intake.js';
import { useQidoDoor } from './test-support/qido-door.js';
import { serveRetrieves } from './test-support/serve.js';
import { storeLimits } from './test-support/store-limits.js';
import { DicomwebErrorFilter } from './transport/http/dicomweb-error.filter.js';
import { principalNameOf } from './transport/http/principal-name.js';
import { bodyBounds } from './transport/http/request-body.js';
import { StowController } from './transport/http/stow.controller.js';

const audience = 'https://callosum.example/api';
const ct = tinyCt();
const studyPath = `/dicom-web/studies/${ct.studyInstanceUid}`;

/** Four places each; tokens are an identity provider's, and people sign in to the same viewer. */
describe('people and clients that signed in', () => {
  let oidc: TestOidc;
  let guard: Guard;
  const guarded: Guard = (asked) => guard(asked);
  const door = useQidoDoor(guarded);

  beforeAll(async () => {
    oidc = await TestOidc.start({
      audience,
      clients: [{ clientId: 'gateway', secret: 'gateway-secret', roles: ['dicom-writer'] }],
    });
    const environment = { CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer, CALLOSUM_AUTH_OIDC_AUDIENCE: audience };
    const authenticator = new Authenticator('dicomweb', parseSettings(authSettings, environment));
    guard = async ({ raw, method, url: path, routeOptions: { url: route }, headers: { authorization } }) =>
      setPrincipal(raw, await authorizeHttp(authenticator, { method, route, path, authorization }));
  });
  afterAll(() => oidc.stop());

  /** Headers of somebody at the viewer. */
  const as = async (person: string): Promise<{ authorization: string }> => {
    const claims = { client_id: 'callosum-viewer', sub: person, roles: ['dicom-reader', 'dicom-writer'] };
    return { authorization: `Bearer ${await oidc.sign(claims)}` };
  };

  it('search beside one who has half of all places, by no name', async () => {
    const { promise: until, resolve: go } = Promise.withResolvers<undefined>();
    door.answer = async function* () {
      await until;
      yield* [];
    };
    const search = async (person: string) => door.http.inject({ url: '/dicom-web/studies', headers: await as(person) });
    const waiting = [search('dr-a'), search('dr-a')];
    await expect.poll(() => door.asked.length).toBe(2);
    const refused = await search('dr-a');
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5']);
    waiting.push(search('dr-b'));
    await expect.poll(() => door.asked.length).toBe(3);
    go(undefined);
    expect((await Promise.all(waiting)).map(({ statusCode }) => statusCode)).toEqual([204, 204, 204]);
    expect(new Set(door.asked.map(({ asker }) => asker)).size).toBe(2);
    expect(door.asked.map(({ asker }) => asker).join()).not.toMatch(/dr-|viewer/);
  });

  it('retrieve beside one who has half of all places and reads nothing', async () => {
    const large = new Blob(Buffer.alloc(64 * 1024 * 1024));
    const { ask, askUnread, close } = await serveRetrieves(large, { requestsMax: 4, guard: guarded });
    const asStored = async (person: string) => ({
      accept: 'multipart/related; type="application/dicom"; transfer-syntax=*',
      ...(await as(person)),
    });
    const unread = [
      await askUnread(studyPath, await asStored('dr-a')),
      await askUnread(studyPath, await asStored('dr-a')),
    ];
    expect(unread.map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    const instance = `${studyPath}/series/${ct.seriesInstanceUid}/instances/${ct.sopInstanceUid}`;
    for (const path of [studyPath, `${studyPath}/metadata`, instance, `${instance}/frames/1`]) {
      const refused = await ask(path, await as('dr-a'));
      expect([refused.status, refused.headers['retry-after']], path).toEqual([503, '5']);
    }
    const others = [
      await askUnread(studyPath, await asStored('dr-b')),
      await askUnread(studyPath, await asStored('dr-c')),
    ];
    expect(others.map(({ statusCode }) => statusCode)).toEqual([200, 200]);
    expect((await ask(studyPath, await as('dr-d'))).status).toBe(503);
    others[0]?.destroy();
    // His place is free, and is not for who has half of them.
    await expect
      .poll(async () => {
        const one = await askUnread(studyPath, await asStored('dr-d'));
        one.destroy();
        return one.statusCode;
      })
      .toBe(200);
    expect((await ask(studyPath, await as('dr-a'))).status).toBe(503);
    await close();
  });

  describe('and store', () => {
    const intake = new MemoryIntake();
    let http: FastifyInstance;
    let url: string;

    beforeAll(async () => {
      const settings = { CALLOSUM_PUBLIC_URL: 'http://here/' } as PlatformSettings;
      const stores = new StoreInstances(intake, { ...storeLimits, requestsMax: 4 }, () => undefined);
      const controller = new StowController(stores, settings, principalNameOf, bodyBounds);
      const filter = new DicomwebErrorFilter(createLogger('dicomweb-test', 'silent'));
      http = fastify();
      http.addHook('onRequest', guarded);
      http.removeAllContentTypeParsers();
      http.addContentTypeParser('*', (_request, _payload, done) => done(null));
      // Without a promise, which Fastify would take for the answer.
      http.post('/dicom-web/studies', (asked, reply) => {
        void controller.store(asked, reply).catch((error: unknown) => reply.send(error));
      });
      http.setErrorHandler((error, _request, reply) => {
        filter.catch(error, { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost);
      });
      url = `${await http.listen({ host: '127.0.0.1', port: 0 })}/dicom-web/studies`;
    });
    afterAll(() => http.close());

    /** An upload that goes on when its `end` is called. */
    const begin = (headers: {
      authorization: string;
    }): { sent: ClientRequest; status: Promise<number | undefined> } => {
      const sent = request(url, { method: 'POST', headers: { 'content-type': 'application/dicom', ...headers } });
      sent.write(ct.bytes.subarray(0, 200));
      const status = (once(sent, 'response') as Promise<[IncomingMessage]>).then(([{ statusCode }]) => statusCode);
      return { sent, status };
    };
    const post = (headers: { authorization: string }): Promise<Response> =>
      fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/dicom', ...headers },
        body: Buffer.from(ct.bytes),
      });

    it('are not kept out by one whose uploads hang', async () => {
      const gateway = { authorization: `Bearer ${await oidc.clientToken('gateway')}` };
      const hanging = [begin(gateway), begin(gateway)];
      await expect.poll(() => intake.open).toBe(2);
      const refused = await post(gateway);
      expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
      expect((await post(await as('dr-a'))).status).toBe(200);
      for (const { sent } of hanging) sent.end(ct.bytes.subarray(200));
      expect(await Promise.all(hanging.map(({ status }) => status))).toEqual([200, 200]);
      expect((await post(gateway)).status).toBe(200);
      // Whose Patient IDs these are is the client, whoever uses it.
      expect(intake.stored.map(({ context }) => context.source)).toEqual([
        'principal:callosum-viewer',
        'principal:gateway',
        'principal:gateway',
        'principal:gateway',
      ]);
    });
  });
});
