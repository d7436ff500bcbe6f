import { fileURLToPath } from 'node:url';

import { SettingsError } from '@callosum/config';
import { describe, expect, it, vi } from 'vitest';

import { databaseTls, tellWithoutTls } from './database-settings.js';

const here = fileURLToPath(import.meta.url);
const tls = (settings: Record<string, string>): unknown =>
  databaseTls({ CALLOSUM_DATABASE_HOST: '127.0.0.1', ...settings } as never);

describe('TLS to the database', () => {
  it.each(['127.0.0.1', 'localhost', '::1', '/var/run/postgresql'])('need not be said for %s', (host) => {
    expect(tls({ CALLOSUM_DATABASE_HOST: host })).toBeUndefined();
  });

  it('has to be said for a database on another machine, one way or the other', () => {
    const remote = { CALLOSUM_DATABASE_HOST: 'db.example.org' };
    expect(() => tls(remote)).toThrow(/CALLOSUM_DATABASE_TLS: has to be said/);
    expect(tls({ ...remote, CALLOSUM_DATABASE_TLS: 'off' })).toBeUndefined();
    expect(tls({ ...remote, CALLOSUM_DATABASE_TLS: 'verify-full' })).toEqual({});
  });

  it('names files only with verify-full, a certificate with its key, and none that cannot be read', () => {
    const on = { CALLOSUM_DATABASE_TLS: 'verify-full' };
    expect(tls({ ...on, CALLOSUM_DATABASE_TLS_CA_FILE: here })).toEqual({ caFile: here });
    const wrong: [Record<string, string>, RegExp][] = [
      [{ CALLOSUM_DATABASE_TLS_CA_FILE: here }, /must be verify-full with CALLOSUM_DATABASE_TLS_CA_FILE/],
      [{ ...on, CALLOSUM_DATABASE_TLS_CA_FILE: `${here}.none` }, /TLS_CA_FILE: the file cannot be read/],
      [{ ...on, CALLOSUM_DATABASE_TLS_CERT_FILE: here }, /one needs the other/],
      [{ ...on, CALLOSUM_DATABASE_TLS_KEY_FILE: here }, /one needs the other/],
    ];
    for (const [settings, problem] of wrong) {
      expect(() => tls(settings)).toThrow(SettingsError);
      expect(() => tls(settings)).toThrow(problem);
    }
  });

  it('left out towards another machine is told at each start', () => {
    const warn = vi.fn();
    const told = (host: string, mode: string): number => {
      warn.mockClear();
      tellWithoutTls({ CALLOSUM_DATABASE_HOST: host, CALLOSUM_DATABASE_TLS: mode } as never, { warn } as never);
      return warn.mock.calls.length;
    };
    expect(told('db.example.org', 'off')).toBe(1);
    expect(told('db.example.org', 'verify-full')).toBe(0);
    expect(told('127.0.0.1', 'off')).toBe(0);
  });
});
