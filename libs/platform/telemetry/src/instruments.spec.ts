import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { type Reading, reading, sampleGauges } from './instruments.js';
import { startTelemetry, type Telemetry } from './start.js';

let telemetry: Telemetry;
const server = createServer((request, response) => telemetry.handleMetrics(request, response));
beforeAll(async () => {
  telemetry = startTelemetry({ serviceName: 'callosum', serviceVersion: '0', site: 'default' });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  server.close();
  await telemetry.shutdown();
});

async function rowsOf(schema: string): Promise<number | undefined> {
  const text = await (await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)).text();
  const line = text.split('\n').find((one) => one.startsWith('callosum_outbox_rows{') && one.includes(`"${schema}"`));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

const rows = (schema: string, count: number): Reading =>
  reading('callosum.outbox.rows', count, { 'callosum.schema': schema });
const never = { everyMs: 3_600_000 };

it('a gauge whose source fails is NaN, and one of another source keeps its value', async () => {
  let away = false;
  const errors: unknown[] = [];
  const read = () => (away ? Promise.reject(new Error('away')) : Promise.resolve([rows('one', 1)]));
  const one = sampleGauges(read, (error) => errors.push(error), never);
  const two = sampleGauges(
    () => Promise.resolve([rows('two', 2)]),
    () => undefined,
    never,
  );
  await Promise.all([one.sample(), two.sample()]);
  expect([await rowsOf('one'), await rowsOf('two')]).toEqual([1, 2]);
  away = true;
  await Promise.all([one.sample(), two.sample()]);
  expect([await rowsOf('one'), await rowsOf('two')]).toEqual([Number.NaN, 2]);
  expect(errors).toHaveLength(1);
  one.close();
  two.close();
});

it('a source that says nothing for long tells no old value, and a new one once it answers', async () => {
  let answer: ((readings: readonly Reading[]) => void) | undefined;
  let silent = false;
  const read = () =>
    silent ? new Promise<readonly Reading[]>((resolve) => (answer = resolve)) : Promise.resolve([rows('slow', 3)]);
  const sampler = sampleGauges(read, () => undefined, { ...never, lateMs: 50 });
  await sampler.sample();
  expect(await rowsOf('slow')).toBe(3);
  silent = true;
  const sampling = sampler.sample();
  await expect.poll(() => rowsOf('slow')).toBeNaN();
  answer?.([rows('slow', 4)]);
  await sampling;
  expect(await rowsOf('slow')).toBe(4);
  sampler.close();
});
