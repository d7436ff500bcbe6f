import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { randomOf } from '@callosum/phantom';
import { TestOidc } from '@callosum/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { expectHoldings, expectNothingSaid, hostileObject, settledHoldings } from './harness/hostile-store.js';
import {
  bodyOf,
  closing,
  type Holdings,
  holdingsOf,
  multipartType,
  partOf,
  post,
  referencedIn,
  type StowAnswer,
} from './harness/stow.js';

const requestsMax = 4;
const audience = 'https://callosum.example/api';
/** Senders, each of which may have half of that. */
const senders = ['one', 'other'] as const;
type Sender = (typeof senders)[number];

describe('STOW-RS requests that are broken off or hang', () => {
  let oidc: TestOidc;
  let system: Callosum;
  let before: Holdings;

  beforeAll(async () => {
    const roles = ['dicom-reader', 'dicom-writer'];
    const clients = senders.map((clientId) => ({ clientId, secret: `${clientId}-secret`, roles }));
    oidc = await TestOidc.start({ audience, clients });
    system = await Callosum.start('dicomweb-broken-off', {
      worker: false,
      env: {
        CALLOSUM_STOW_REQUESTS_MAX: String(requestsMax),
        CALLOSUM_AUTH_OIDC_ISSUER: oidc.issuer,
        CALLOSUM_AUTH_OIDC_AUDIENCE: audience,
      },
    });
  });
  afterAll(async () => {
    await system?.stop();
    await oidc?.stop();
  });
  const authorizationOf = async (sender: Sender): Promise<string> => `Bearer ${await oidc.clientToken(sender)}`;
  const send = async (body: Uint8Array | AsyncIterable<Uint8Array>, as: Sender = 'one'): Promise<StowAnswer> =>
    post(system, body, { authorization: await authorizationOf(as) });
  beforeEach(async () => {
    before = await holdingsOf(system);
  });

  it('a request that ends anywhere: what the answer says is stored is stored, and nothing else', async () => {
    const random = randomOf(6);
    const outcomes = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const objects = [hostileObject(`cut-${i}-a`), hostileObject(`cut-${i}-b`)];
      const whole = bodyOf(...objects.map(({ bytes }) => partOf(bytes)));
      const at = Math.floor(random() * (whole.length - closing.length));
      const rows = (await holdingsOf(system)).rows;
      const answer = await send(whole.subarray(0, at));
      outcomes.add(answer.status);
      const stored = referencedIn(answer);
      expect(stored, String(at)).toEqual(objects.slice(0, stored.length).map((one) => one.sopInstanceUid));
      expect([400, 202], `${at}: ${answer.text}`).toContain(answer.status);
      expect((await settledHoldings(system)).rows, String(at)).toBe(rows + stored.length);
    }
    expect(outcomes).toEqual(new Set([400, 202]));
    const { rows, blobs } = await settledHoldings(system);
    expect(rows - before.rows).toBe(blobs - before.blobs);
  });

  it('a connection that ends anywhere: nothing is half kept', async () => {
    const random = randomOf(7);
    const authorization = await authorizationOf('one');
    for (let i = 0; i < 30; i++) {
      const whole = bodyOf(partOf(hostileObject(`gone-${i}`).bytes));
      const { host, port } = new URL(system.httpUrl);
      const socket = connect(Number(port), '127.0.0.1');
      await once(socket, 'connect');
      // Another host would be told that it is none, before anything is read.
      const head = `POST /dicom-web/studies HTTP/1.1\r\nHost: ${host}\r\nAuthorization: ${authorization}\r\nContent-Type: ${multipartType()}\r\nContent-Length: ${whole.length}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(head), whole.subarray(0, Math.floor(random() * (whole.length - 100)))]));
      await sleep(20);
      socket.destroy();
    }
    await expectHoldings(system, before);
    // Their places are free again.
    const all = Array.from({ length: requestsMax }, (_, i) => senders[i % 2]);
    const statuses = async (): Promise<number[]> =>
      (await Promise.all(all.map((sender) => send(bodyOf(partOf('x')), sender)))).map(({ status }) => status);
    await expect.poll(statuses, { timeout: 10_000 }).toEqual(all.map(() => 409));
  });

  it('uploads that hang keep out who sends them, who is told to come again, and nobody else', async () => {
    let begun = 0;
    let goOn: (() => void) | undefined;
    const released = new Promise<void>((resolve) => (goOn = resolve));
    const objects = Array.from({ length: requestsMax / 2 }, (_, i) => hostileObject(`hang-${i}`));
    const hanging = objects.map(({ bytes }) =>
      send(
        (async function* () {
          const body = bodyOf(partOf(bytes));
          yield body.subarray(0, 300);
          begun++;
          await released;
          yield body.subarray(300);
        })(),
      ),
    );
    // What asks whether they are in must not take the place of one of them.
    await expect.poll(() => begun, { timeout: 10_000, interval: 10 }).toBe(objects.length);
    await expect
      .poll(async () => (await send(bodyOf(partOf('x')))).status, { timeout: 10_000, interval: 50 })
      .toBe(503);
    const own = bodyOf(partOf(hostileObject('kept-out').bytes));
    const refused = await send(own);
    expect([refused.status, refused.retryAfter]).toEqual([503, '5']);
    expect((await send(bodyOf(partOf(hostileObject('not-kept-out').bytes)), 'other')).status).toBe(200);
    const search = await fetch(`${system.httpUrl}/dicom-web/studies?limit=1`, {
      headers: { authorization: await authorizationOf('one') },
    });
    expect(search.status).toBe(200);
    goOn?.();
    expect((await Promise.all(hanging)).map(({ status }) => status)).toEqual(objects.map(() => 200));
    expect((await send(own)).status).toBe(200);
  });

  it('says nothing of patients in its log, and goes on', async () => {
    expect((await send(bodyOf(partOf(hostileObject('last').bytes)))).status).toBe(200);
    expectNothingSaid(system);
  });
});
