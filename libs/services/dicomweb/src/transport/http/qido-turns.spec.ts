import { setTimeout as sleep } from 'node:timers/promises';

import type { imaging } from '@callosum/contracts';
import { describe, expect, it } from 'vitest';

import { rowOf, useQidoDoor } from '../../test-support/qido-door.js';

describe('a QIDO-RS request among others, or of a client that takes its time,', () => {
  const door = useQidoDoor();
  /** The index finds nothing, and says so when what this gives is called. */
  const nothingUntil = (): (() => void) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    door.answer = async function* () {
      await promise;
      yield* [];
    };
    return () => resolve(undefined);
  };

  it('whose client has gone is not searched on', async () => {
    let given = 0;
    let ended: (() => void) | undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    door.answer = async function* (_request, signal) {
      yield { rows: [rowOf(given++)], unsupportedKeys: [] };
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      ended?.();
      signal.throwIfAborted();
    };
    const url = await door.http.listen({ host: '127.0.0.1', port: 0 });
    const client = new AbortController();
    const asking = fetch(`${url}/dicom-web/studies`, { signal: client.signal });
    await expect.poll(() => given).toBe(1);
    client.abort();
    await expect(asking).rejects.toThrow();
    await end;
    expect(given).toBe(1);
  });

  it.each(['HEAD', 'GET'] as const)('is not looked for any more once it was answered (%s)', async (method) => {
    let signal: AbortSignal | undefined;
    door.answer = async function* (_request, given) {
      signal ??= given;
      await Promise.resolve();
      for (let i = 0; i < 3; i++)
        yield {
          rows: [{ ...rowOf(i), dicomJson: `{"00104000":{"vr":"LT","Value":["${'x'.repeat(700_000)}"]}}` }],
          unsupportedKeys: [],
        };
    };
    expect((await door.http.inject({ method, url: '/dicom-web/studies' })).statusCode).toBe(200);
    await expect.poll(() => signal?.aborted).toBe(true);
  });

  it('that finds more than is held is sent while it is found, whole and in order', async () => {
    const comment = 'x'.repeat(700_000);
    const long = (i: number): imaging.SearchRow => ({
      ...rowOf(i),
      dicomJson: `{"00104000":{"vr":"LT","Value":["${comment}${i}"]}}`,
    });
    let taken = 0;
    door.answer = async function* ({ limit, offset }) {
      await Promise.resolve();
      for (; taken < 3 && offset === 0; taken++) yield { rows: [long(taken)], unsupportedKeys: [] };
      if (limit === 1) yield { rows: [rowOf(9)], unsupportedKeys: [] };
    };
    const { headers, json } = await door.http.inject('/dicom-web/studies');
    expect(headers['warning']).toContain('ask with offset=3');
    expect(json().map((one: Record<string, { Value: string[] }>) => one['00104000']?.Value[0]?.slice(-1))).toEqual([
      '0',
      '1',
      '2',
    ]);
    expect(door.asked.map(({ offset, limit, includeAll }) => [offset, limit, includeAll])).toEqual([
      [0, 4, false],
      [3, 1, false],
    ]);
  });

  it('whose search breaks in the middle of an answer is cut, so that nobody takes it for whole', async () => {
    door.answer = async function* ({ limit }) {
      await Promise.resolve();
      if (limit === 1) return;
      yield {
        rows: [{ ...rowOf(0), dicomJson: `{"00104000":{"vr":"LT","Value":["${'x'.repeat(2_000_000)}"]}}` }],
        unsupportedKeys: [],
      };
      throw new Error('gone');
    };
    const url = await door.http.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/dicom-web/studies`);
    expect(response.status).toBe(200);
    await expect(response.text()).rejects.toThrow();
  });

  it('is looked for no faster than its client takes it, however much is found', async () => {
    door.limitMax = 2_000;
    const row = { ...rowOf(0), dicomJson: `{"00104000":{"vr":"LT","Value":["${'x'.repeat(100_000)}"]}}` };
    let given = 0;
    door.answer = async function* ({ limit }) {
      for (; limit > 1 && given < 2_000; given++) {
        await new Promise((resolve) => setImmediate(resolve));
        yield { rows: [row], unsupportedKeys: [] };
      }
    };
    const url = await door.http.listen({ host: '127.0.0.1', port: 0 });
    const response = await fetch(`${url}/dicom-web/studies`);
    let before = -1;
    while (before !== given) {
      before = given;
      await sleep(300);
    }
    // 200 MB are found in all; what sockets and streams hold is some.
    expect(given).toBeLessThan(500);
    let bytes = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) bytes += chunk.length;
    expect(bytes).toBeGreaterThan(200_000_000);
  });

  /** A person at an application, or an application by itself. */
  const as = (client: string, subject = client) =>
    door.http.inject({ url: '/dicom-web/studies', headers: { 'x-client': client, 'x-subject': subject } });
  const statuses = async (all: ReturnType<typeof as>[]): Promise<number[]> =>
    (await Promise.all(all)).map(({ statusCode }) => statusCode);

  it('is 503 when as many search as may, until one of them ends', async () => {
    const go = nothingUntil();
    const waiting = ['one', 'one', 'two', 'two'].map((client) => as(client));
    await expect.poll(() => door.asked.length).toBe(4);
    const refused = await as('three');
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5']);
    go();
    expect(await statuses(waiting)).toEqual([204, 204, 204, 204]);
    expect((await as('three')).statusCode).toBe(204);
  });

  it('is 503 when who asks has half of all, and says to the index who that is, by no name', async () => {
    const go = nothingUntil();
    const waiting = [as('one'), as('one')];
    await expect.poll(() => door.asked.length).toBe(2);
    const refused = await as('one');
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([503, '5']);
    waiting.push(as('other'));
    await expect.poll(() => door.asked.length).toBe(3);
    go();
    expect(await statuses(waiting)).toEqual([204, 204, 204]);
    const [one, two, other] = door.asked.map(({ asker }) => asker);
    expect(two).toBe(one);
    expect(other).not.toBe(one);
    for (const asker of [one, other]) expect(asker).toMatch(/^principal:[\w-]{43}$/);
    expect((await as('one')).statusCode).toBe(204);
  });

  it('of a person leaves places to others at the same application', async () => {
    const go = nothingUntil();
    const waiting = [as('viewer', 'dr-a'), as('viewer', 'dr-a')];
    await expect.poll(() => door.asked.length).toBe(2);
    expect((await as('viewer', 'dr-a')).statusCode).toBe(503);
    waiting.push(as('viewer', 'dr-b'));
    await expect.poll(() => door.asked.length).toBe(3);
    expect(new Set(door.asked.map(({ asker }) => asker)).size).toBe(2);
    go();
    expect(await statuses(waiting)).toEqual([204, 204, 204]);
  });

  it('may have all places where nobody is asked for a token', async () => {
    const go = nothingUntil();
    const waiting = Array.from({ length: 4 }, () => door.http.inject('/dicom-web/studies'));
    await expect.poll(() => door.asked.length).toBe(4);
    expect((await door.http.inject('/dicom-web/studies')).statusCode).toBe(503);
    go();
    expect(await statuses(waiting)).toEqual([204, 204, 204, 204]);
    expect(new Set(door.asked.map(({ asker }) => asker))).toEqual(new Set(['']));
  });
});
