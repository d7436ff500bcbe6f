import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { ServiceKeysError } from '../errors.js';
import { ServiceKeys } from './service-keys.js';
import { ServiceTokens } from './service-tokens.js';

let folder: string;
let now: number;
const clock = { now: (): Date => new Date(now) };
const key = (kid: string) => ({ kid, k: randomBytes(32).toString('base64url') });
const [a, b] = [key('a'), key('b')];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'callosum-keys-'));
  now = Date.parse('2026-11-22T10:00:00Z');
});
afterEach(() => rm(folder, { recursive: true }));

const path = (): string => join(folder, 'keys.json');
const write = (...keys: object[]): Promise<void> => writeFile(path(), JSON.stringify({ keys }));
/** What one process knows: its own view of the file. */
const process = (): ServiceTokens => new ServiceTokens(new ServiceKeys(path(), clock), clock);
const seconds = (count: number): void => void (now += count * 1000);
const kidOf = (token: string): unknown =>
  (JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { kid: unknown }).kid;

describe('a shared key', () => {
  it('is exchanged without a gap by adding, promoting and removing', async () => {
    await write(a);
    const [publisher, gateway] = [process(), process()];
    const first = await publisher.issue('result-publisher', 'fhir-gateway');
    await write(a, b);
    seconds(6);
    expect((await gateway.verify(first, 'fhir-gateway')).subject).toBe('result-publisher');
    await write(b, a);
    seconds(6);
    const second = await publisher.issue('result-publisher', 'fhir-gateway');
    expect([kidOf(first), kidOf(second)]).toEqual(['a', 'b']);
    for (const token of [first, second]) expect((await gateway.verify(token, 'fhir-gateway')).kind).toBe('service');
    await write(b);
    seconds(6);
    expect((await gateway.verify(second, 'fhir-gateway')).kind).toBe('service');
    await expect(gateway.verify(first, 'fhir-gateway')).rejects.toMatchObject({ reason: 'unknown-key' });
  });

  it('goes on while its file is being written', async () => {
    await write(a);
    const gateway = process();
    const token = await gateway.issue('result-publisher', 'fhir-gateway');
    await writeFile(path(), '{"keys":[{"ki');
    seconds(6);
    expect((await gateway.verify(token, 'fhir-gateway')).kind).toBe('service');
  });

  it.each([
    ['no file', undefined],
    ['no JSON', 'secret-secret'],
    ['no key', '{"keys":[]}'],
    ['a key too short', JSON.stringify({ keys: [{ kid: 'a', k: randomBytes(31).toString('base64url') }] })],
  ])('is refused as %s, without a word of it', async (_what, text) => {
    if (text !== undefined) await writeFile(path(), text);
    const error: unknown = await process()
      .issue('result-publisher', 'fhir-gateway')
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ServiceKeysError);
    expect((error as Error).message).not.toContain('secret-secret');
  });
});

describe('a token', () => {
  it('is used again while it lasts, and ends after two minutes and what two clocks may differ by', async () => {
    await write(a);
    const [publisher, gateway] = [process(), process()];
    const token = await publisher.issue('result-publisher', 'fhir-gateway');
    seconds(60);
    expect(await publisher.issue('result-publisher', 'fhir-gateway')).toBe(token);
    seconds(50);
    expect(await publisher.issue('result-publisher', 'fhir-gateway')).not.toBe(token);
    expect((await gateway.verify(token, 'fhir-gateway')).kind).toBe('service');
    seconds(360);
    expect((await gateway.verify(token, 'fhir-gateway')).kind).toBe('service');
    seconds(20);
    await expect(gateway.verify(token, 'fhir-gateway')).rejects.toMatchObject({ reason: 'token-expired' });
  });

  it.each([
    ['ahead', 'behind', 360],
    ['behind', 'ahead', -360],
  ])(
    'is taken of a service whose clock is three minutes %s by one whose clock is three minutes %s',
    async (_a, _b, by) => {
      await write(a);
      const token = await process().issue('result-publisher', 'fhir-gateway');
      seconds(-by);
      expect((await process().verify(token, 'fhir-gateway')).subject).toBe('result-publisher');
    },
  );

  it('is refused from a clock further ahead, in words that say so', async () => {
    await write(a);
    const token = await process().issue('result-publisher', 'fhir-gateway');
    seconds(-370);
    await expect(process().verify(token, 'fhir-gateway')).rejects.toMatchObject({ reason: 'token-not-yet-valid' });
  });

  it('is for one service', async () => {
    await write(a);
    const token = await process().issue('result-publisher', 'study-index');
    await expect(process().verify(token, 'identity-mapping')).rejects.toMatchObject({ reason: 'wrong-audience' });
  });
});
