import { describe, expect, it } from 'vitest';
import { z } from 'zod';

import {
  assertBindAllowed,
  describeSettings,
  flag,
  parseSettings,
  port,
  SettingsError,
  UnauthenticatedBindError,
  wholeNumber,
} from './index.js';

const schema = z.object({
  CALLOSUM_X_PORT: port().default(8080).describe('Port of X'),
  CALLOSUM_X_MS: wholeNumber(1, 1000).describe('Time of X'),
  CALLOSUM_X_MODE: z.enum(['a', 'b']).default('a').describe('Mode'),
  CALLOSUM_X_ON: flag().default(false).describe('On'),
  CALLOSUM_X_RULES: z
    .string()
    .default('{"a":1}')
    .transform((text) => JSON.parse(text) as Record<string, number>)
    .describe('Rules'),
  CALLOSUM_X_UIDS: z
    .string()
    .default('')
    .transform((text) => text.split(',').filter(Boolean))
    .describe('UIDs'),
});

describe('settings', () => {
  it('reads typed values and defaults; nothing counts as not set', () => {
    expect(parseSettings(schema, { CALLOSUM_X_MS: '5', CALLOSUM_X_PORT: '', CALLOSUM_X_ON: 'true' })).toEqual({
      CALLOSUM_X_PORT: 8080,
      CALLOSUM_X_MS: 5,
      CALLOSUM_X_MODE: 'a',
      CALLOSUM_X_ON: true,
      CALLOSUM_X_RULES: { a: 1 },
      CALLOSUM_X_UIDS: [],
    });
  });

  it('names every wrong variable and never its value', () => {
    const parse = () => parseSettings(schema, { CALLOSUM_X_PORT: 'sesame', CALLOSUM_X_MODE: 'secret' });
    expect(parse).toThrow(SettingsError);
    try {
      parse();
    } catch (error) {
      const text = String(error);
      expect(text).toContain('CALLOSUM_X_PORT: must be a number');
      expect(text).toContain('CALLOSUM_X_MS: is required');
      expect(text).toContain('CALLOSUM_X_MODE: must be one of a, b');
      expect(text).not.toMatch(/sesame|secret/);
    }
  });

  it('documents itself', () => {
    expect(describeSettings(schema)).toContainEqual({
      name: 'CALLOSUM_X_PORT',
      description: 'Port of X',
      required: false,
      defaultValue: '8080',
    });
    expect(describeSettings(schema).find(({ name }) => name === 'CALLOSUM_X_MS')?.required).toBe(true);
  });

  it('documents a default as one may write it', () => {
    const defaults = Object.fromEntries(describeSettings(schema).map((one) => [one.name, one.defaultValue]));
    expect(defaults).toMatchObject({ CALLOSUM_X_RULES: '{"a":1}', CALLOSUM_X_ON: 'false' });
    expect(defaults['CALLOSUM_X_UIDS']).toBeUndefined();
    const written = Object.fromEntries(Object.entries(defaults).filter(([, value]) => value !== undefined));
    expect(parseSettings(schema, { ...written, CALLOSUM_X_MS: '5' })).toEqual(
      parseSettings(schema, { CALLOSUM_X_MS: '5' }),
    );
  });
});

describe('binding', () => {
  const off = { on: false, needs: 'CALLOSUM_SOME_AUTHENTICATION' };
  it.each(['127.0.0.1', '127.1.2.3', '::1', '[::1]', 'localhost'])('without authentication lets %s', (host) => {
    expect(() => assertBindAllowed('CALLOSUM_HTTP_HOST', host, off)).not.toThrow();
  });
  it.each(['0.0.0.0', '::', '192.168.1.4', 'example.org', ''])('refuses %s, and says what is missing', (host) => {
    const bind = () => assertBindAllowed('CALLOSUM_HTTP_HOST', host, off);
    expect(bind).toThrow(UnauthenticatedBindError);
    expect(bind).toThrow(/CALLOSUM_HTTP_HOST.*CALLOSUM_SOME_AUTHENTICATION/);
    expect(() => assertBindAllowed('CALLOSUM_HTTP_HOST', host, { ...off, on: true })).not.toThrow();
  });
});
