import { parseSettings, SettingsError } from '@callosum/config';
import { describe, expect, it } from 'vitest';

import { dicomwebSettings } from '../settings.js';
import { readOrigins } from './origins.js';

describe('origins whose pages may read answers', () => {
  it('are written as browsers send them', () => {
    expect(
      readOrigins(' https://Viewer.Example/, https://pacs.example:443,http://localhost:3000, http://[::1]:80 ,'),
    ).toEqual({
      origins: ['https://viewer.example', 'https://pacs.example', 'http://localhost:3000', 'http://[::1]'],
    });
    expect(readOrigins('https://a.example,https://a.example/')).toEqual({ origins: ['https://a.example'] });
    expect(readOrigins('')).toEqual({ origins: [] });
  });

  it.each([
    '*',
    'null',
    'https://*.example',
    'viewer.example',
    'https://viewer.example/ohif',
    'https://viewer.example?x',
    'https://viewer.example#x',
    'https://name:word@viewer.example',
    'file:///C:/viewer.html',
    'javascript:alert(1)',
    'https://a.example https://b.example',
    'http://viewer.example',
    'http://127.0.0.1.evil.example',
    'http://10.0.0.7',
    'https://a.example,*',
  ])('%s is none', (text) => {
    expect(readOrigins(text)).toHaveProperty('problem');
  });
});

describe('the setting', () => {
  const read = (text: string) => parseSettings(dicomwebSettings, { CALLOSUM_CORS_ORIGINS: text }).CALLOSUM_CORS_ORIGINS;

  it('is a list, and none when it is not set', () => {
    expect(read('https://viewer.example,http://localhost:3000')).toEqual([
      'https://viewer.example',
      'http://localhost:3000',
    ]);
    expect(read('')).toBeUndefined();
  });

  it('that is no such list stops the start, and says which it is', () => {
    expect(() => read('*')).toThrow(SettingsError);
    expect(() => read('*')).toThrow(/CALLOSUM_CORS_ORIGINS: is a list of origins/);
    expect(() => read('http://viewer.example')).toThrow(/CALLOSUM_CORS_ORIGINS: takes origins without TLS/);
  });
});
