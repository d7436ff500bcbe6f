import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { randomOf } from '@callosum/phantom';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { qido } from './harness/dicomweb.js';
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
} from './harness/stow.js';

const requestsMax = 4;

describe('STOW-RS requests that are broken off or hang', () => {
  let system: Callosum;
  let before: Holdings;

  beforeAll(async () => {
    system = await Callosum.start('dicomweb-broken-off', {
      worker: false,
      env: { CALLOSUM_STOW_REQUESTS_MAX: String(requestsMax) },
    });
  });
  afterAll(() => system.stop());
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
      const answer = await post(system, whole.subarray(0, at));
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
    for (let i = 0; i < 30; i++) {
      const whole = bodyOf(partOf(hostileObject(`gone-${i}`).bytes));
      const { host, port } = new URL(system.httpUrl);
      const socket = connect(Number(port), '127.0.0.1');
      await once(socket, 'connect');
      // Another host would be told that it is none, before anything is read.
      const head = `POST /dicom-web/studies HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${multipartType()}\r\nContent-Length: ${whole.length}\r\n\r\n`;
      socket.write(Buffer.concat([Buffer.from(head), whole.subarray(0, Math.floor(random() * (whole.length - 100)))]));
      await sleep(20);
      socket.destroy();
    }
    await expectHoldings(system, before);
    // Their places are free again.
    const all = Array.from({ length: requestsMax }, () => bodyOf(partOf('x')));
    const statuses = async (): Promise<number[]> =>
      (await Promise.all(all.map((body) => post(system, body)))).map(({ status }) => status);
    await expect.poll(statuses, { timeout: 10_000 }).toEqual(all.map(() => 409));
  });

  it('uploads that hang keep others out, who are told to come again, and nobody else', async () => {
    let begun = 0;
    let goOn: (() => void) | undefined;
    const released = new Promise<void>((resolve) => (goOn = resolve));
    const objects = Array.from({ length: requestsMax }, (_, i) => hostileObject(`hang-${i}`));
    const hanging = objects.map(({ bytes }) =>
      post(
        system,
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
    await expect.poll(() => begun, { timeout: 10_000, interval: 10 }).toBe(requestsMax);
    await expect
      .poll(async () => (await post(system, bodyOf(partOf('x')))).status, { timeout: 10_000, interval: 50 })
      .toBe(503);
    const refused = await post(system, bodyOf(partOf(hostileObject('kept-out').bytes)));
    expect([refused.status, refused.retryAfter]).toEqual([503, '5']);
    expect(await qido(system.httpUrl, 'studies?limit=1')).toBeDefined();
    goOn?.();
    expect((await Promise.all(hanging)).map(({ status }) => status)).toEqual(objects.map(() => 200));
    expect((await post(system, bodyOf(partOf(hostileObject('kept-out').bytes)))).status).toBe(200);
  });

  it('says nothing of patients in its log, and goes on', async () => {
    expect((await post(system, bodyOf(partOf(hostileObject('last').bytes)))).status).toBe(200);
    expectNothingSaid(system);
  });
});
