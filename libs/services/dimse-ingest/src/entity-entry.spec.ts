import { parseSettings } from '@callosum/config';
import { describe, expect, it } from 'vitest';

import { entityEntry, entityRequest } from './entity-entry.js';
import { assertDimseBind, dimseIngestSettings, dimsePorts } from './settings.js';

const entity = { aet: 'CT1', host: '10.1.2.3' };

describe('an AE is refused', () => {
  it.each<[string, object]>([
    ['with a word nobody reads', { ...entity, assocationsMax: 2 }],
    ['with one in its TLS', { ...entity, tls: { requierd: true } }],
    ['whose title begins with a space', { ...entity, aet: ' CT1' }],
    ['with a rate of nothing', { ...entity, requestsPerSecondMax: 0 }],
    ['with a permission there is not', { ...entity, may: ['delete'] }],
    ['with a fingerprint that is none', { ...entity, tls: { fingerprint: 'AB:CD' } }],
    ['with a passcode in clear', { ...entity, users: [{ name: 'zoë', passcode: 'geheim' }] }],
    ['with a hash that is none', { ...entity, users: [{ name: 'zoë', passcodeHash: 'geheim' }] }],
    ['with one user twice', { ...entity, users: [{ name: 'zoë' }, { name: 'zoë' }] }],
    ['with a UID that is none', { ...entity, transferSyntaxUids: ['1.02'] }],
  ])('%s', (_why, entry) => {
    expect(entityEntry.safeParse(entry).success).toBe(false);
  });
});

it('TLS of an AE holds both ways unless it says otherwise', () => {
  expect(entityEntry.parse({ ...entity, tls: {} })).toEqual({ ...entity, tls: { required: true, call: true } });
});

it('a request is an answer sent back, but a passcode and its hash are not both new', () => {
  expect(entityRequest.safeParse({ ...entity, origin: 'table', changedAt: 'x', changedBy: 'y' }).success).toBe(true);
  const hash = `scrypt:16384:${'A'.repeat(22)}:${'A'.repeat(43)}`;
  const users = [{ name: 'zoë', passcode: 'x', passcodeHash: hash }];
  expect(entityRequest.safeParse({ ...entity, users }).success).toBe(false);
});

describe('the settings', () => {
  const parse = (env: Record<string, string>) => parseSettings(dimseIngestSettings, env);

  it('say which member of an AE is wrong, never its value', () => {
    const aes = JSON.stringify([{ ...entity, tls: { subjekt: 'CN=secret' }, port: 'secret' }]);
    let message = '';
    try {
      parse({ CALLOSUM_DIMSE_AES: aes });
    } catch (error) {
      message = String(error);
    }
    expect(message).toContain('0.port');
    expect(message).toContain('0.tls.subjekt');
    expect(message).not.toContain('secret');
  });

  it('open the plain port, the one with TLS, or both', () => {
    const files = { CALLOSUM_DIMSE_TLS_CERT_FILE: 'c', CALLOSUM_DIMSE_TLS_KEY_FILE: 'k' };
    const ports = (env: Record<string, string>) => dimsePorts(parse(env)).map(({ port }) => port);
    expect(ports({})).toEqual([11112]);
    expect(ports({ CALLOSUM_DIMSE_TLS: 'on', ...files })).toEqual([11112, 2762]);
    expect(ports({ CALLOSUM_DIMSE_TLS: 'on', CALLOSUM_DIMSE_PLAIN: 'false', ...files })).toEqual([2762]);
  });

  const withUsers = JSON.stringify([{ ...entity, users: [{ name: 'zoë' }] }]);
  it.each(['optional', 'required'])('take users where they are asked for: %s', (policy) => {
    const settings = parse({ CALLOSUM_DIMSE_AES: withUsers, CALLOSUM_DIMSE_USER_IDENTITY: policy });
    expect(() => assertDimseBind(settings)).not.toThrow();
  });

  it.each<[Record<string, string>, RegExp]>([
    [{ CALLOSUM_DIMSE_TLS: 'on' }, /CALLOSUM_DIMSE_TLS_CERT_FILE/],
    [
      { CALLOSUM_DIMSE_TLS: 'mutual', CALLOSUM_DIMSE_TLS_CERT_FILE: 'c', CALLOSUM_DIMSE_TLS_KEY_FILE: 'k' },
      /CALLOSUM_DIMSE_TLS_CA_FILE/,
    ],
    [{ CALLOSUM_DIMSE_PLAIN: 'false' }, /no port would be open/],
    [{ CALLOSUM_DIMSE_TLS_CERT_FILE: 'c' }, /set both/],
    [{ CALLOSUM_DIMSE_AES: withUsers }, /CT1: users are named/],
  ])('%o do not fit together', (env, problem) => {
    expect(() => assertDimseBind(parse(env))).toThrow(problem);
  });

  it('take UIDs with commas between them, and nothing else', () => {
    const { CALLOSUM_DIMSE_PRIVATE_SOP_CLASSES: classes } = parse({
      CALLOSUM_DIMSE_PRIVATE_SOP_CLASSES: '1.2.3, 1.2.4',
    });
    expect(classes).toEqual(['1.2.3', '1.2.4']);
    expect(() => parse({ CALLOSUM_DIMSE_TRANSFER_SYNTAXES: 'JPEG' })).toThrow(/must be UIDs/);
  });
});
