import { describe, expect, it } from 'vitest';

import { innerTarget, prefixOf } from './path-prefix.js';
import { platformSettings } from './settings.js';

describe('the prefix of a site', () => {
  it.each([
    ['https://pacs.example', ''],
    ['https://pacs.example/', ''],
    ['https://pacs.example/imaging', '/imaging'],
    ['https://pacs.example/imaging//', '/imaging'],
    ['https://pacs.example/a/b-c_d.e~f/', '/a/b-c_d.e~f'],
  ])('of %s is "%s"', (publicUrl, prefix) => {
    expect(prefixOf(publicUrl)).toBe(prefix);
  });
});

describe('the public URL', () => {
  const read = (url: string): string => platformSettings.parse({ CALLOSUM_PUBLIC_URL: url }).CALLOSUM_PUBLIC_URL;

  it.each([
    'https://pacs.example',
    'http://127.0.0.1:8080/',
    'https://pacs.example/imaging',
    'https://pacs.example/a/b.c//',
  ])('may be %s', (url) => {
    expect(read(url)).toBe(url);
  });

  it.each([
    'https://pacs.example/a"b',
    "https://pacs.example/a'b",
    'https://pacs.example/<script>',
    'https://pacs.example/a b',
    'https://pacs.example/a)b',
    'https://pacs.example/a$1b',
    'https://pacs.example//evil.example',
    'https://pacs.example/?x=1',
    'https://pacs.example/#x',
    'pacs.example',
  ])('may not be %s', (url) => {
    expect(() => read(url)).toThrow();
  });
});

describe('what a service is asked', () => {
  const claimed = (path: string): boolean => /^\/(dicom-web|viewer|fhir)(\/|$)/.test(path);
  const inner = (target: string, prefix = '/imaging'): string => innerTarget(target, prefix, claimed);

  it.each([
    ['/imaging/dicom-web/studies?limit=1', '/dicom-web/studies?limit=1'],
    ['/imaging/viewer', '/viewer'],
    ['/imaging/viewer?StudyInstanceUIDs=1.2', '/viewer?StudyInstanceUIDs=1.2'],
    ['/imaging', '/'],
    ['/imaging/', '/'],
    ['/imaging?x=/', '/?x=/'],
    ['/imaging/nothing', '/nothing'],
  ])('%s, which a proxy left as it was, is %s', (target, expected) => {
    expect(inner(target)).toBe(expected);
  });

  it.each([
    '/dicom-web/studies',
    '/viewer',
    '/',
    '/nothing',
    '/imagingx/viewer',
    '/Imaging/viewer',
    '/%69maging/viewer',
  ])('%s is left alone', (target) => {
    expect(inner(target)).toBe(target);
  });

  it('is the same behind either kind of proxy where the prefix is a name of ours', () => {
    for (const target of ['/fhir/fhir/Patient', '/fhir/Patient']) expect(inner(target, '/fhir')).toBe('/fhir/Patient');
    for (const target of ['/fhir/viewer/a', '/viewer/a']) expect(inner(target, '/fhir')).toBe('/viewer/a');
  });

  it('keeps what stands before the path of another site', () => {
    expect(inner('/other/imaging/viewer')).toBe('/other/imaging/viewer');
    expect(inner('//evil.example/imaging/viewer')).toBe('//evil.example/imaging/viewer');
    expect(inner('/imaging//evil.example')).toBe('//evil.example');
  });

  it('is what was asked where there is no prefix', () => {
    expect(inner('/viewer', '')).toBe('/viewer');
  });
});
