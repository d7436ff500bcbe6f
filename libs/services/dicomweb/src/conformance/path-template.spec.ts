import { describe, expect, it } from 'vitest';

import { allowedMethods } from './allowed-methods.js';
import { isAtOrBelow, matchesTemplate } from './path-template.js';

const instance = '/dicom-web/studies/:study/series/:series/instances/:instance';

describe('templates of paths', () => {
  it.each([
    ['/dicom-web/studies/:study', '/dicom-web/studies/1.2.3', true],
    ['/dicom-web/studies/:study', '/dicom-web/studies/', false],
    ['/dicom-web/studies/:study', '/dicom-web/studies', false],
    ['/dicom-web/studies/:study', '/dicom-web/studies/1.2.3/series', false],
    ['/dicom-web/studies/:study', '/dicom-web/series/1.2.3', false],
    [`${instance}/bulkdata/*`, '/dicom-web/studies/1/series/2/instances/3/bulkdata/00420011', true],
    [`${instance}/bulkdata/*`, '/dicom-web/studies/1/series/2/instances/3/bulkdata/a/0/b', true],
    [`${instance}/bulkdata/*`, '/dicom-web/studies/1/series/2/instances/3/bulkdata', false],
    [`${instance}/bulkdata/*`, '/dicom-web/studies/1/series/2/instances/3/bulkdata/', false],
  ])('%s has %s in it: %s', (template, path, expected) => {
    expect(matchesTemplate(template, path)).toBe(expected);
  });

  it.each([
    ['/dicom-web/studies/:study/series', '/dicom-web', true],
    ['/dicom-web/studies/:study/series', '/dicom-web/studies', true],
    ['/dicom-web/studies/:study/series', '/dicom-web/studies/1.2.3', true],
    ['/dicom-web/studies/:study/series', '/dicom-web/studies/1.2.3/series', true],
    ['/dicom-web/studies/:study/series', '/dicom-web/studies/1.2.3/series/4', false],
    ['/dicom-web/studies/:study/series', '/dicom-web/series', false],
    [`${instance}/bulkdata/*`, `${instance}/bulkdata/a/b`, true],
  ])('%s lies at or below %s: %s', (template, path, expected) => {
    expect(isAtOrBelow(template, path)).toBe(expected);
  });
});

describe('methods of a path', () => {
  it.each([
    ['/dicom-web/studies', ['GET', 'HEAD', 'OPTIONS', 'POST']],
    ['/dicom-web/studies/1.2.3', ['GET', 'HEAD', 'OPTIONS', 'POST']],
    ['/dicom-web/studies/1.2.3/metadata', ['GET', 'HEAD', 'OPTIONS']],
    ['/dicom-web/from/ct-1/studies', ['OPTIONS', 'POST']],
    ['/dicom-web/studies/1/series/2/instances/3/bulkdata/00420011', ['GET', 'HEAD', 'OPTIONS']],
    ['/dicom-web/nothing', []],
    ['/dicom-web/studies/', []],
    ['/dicom-web/studies/1/nothing', []],
    ['/', []],
  ])('%s are %j', (path, methods) => {
    expect(allowedMethods(path)).toEqual(methods);
  });

  it('of the root itself are those of what describes it', () => {
    expect(allowedMethods('/dicom-web')).toContain('OPTIONS');
  });
});
