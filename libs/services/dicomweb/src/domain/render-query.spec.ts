import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import { readRenderQuery, readThumbnailQuery, viewportSideMax } from './render-query.js';

const read = (query: string) => readRenderQuery(new URLSearchParams(query));

describe('the query of a rendered resource', () => {
  it('may be empty, and hold what nobody knows', () => {
    expect(read('')).toEqual({});
    expect(read('colour=red&accept=image/png&charset=utf-8&annotation=&iccprofile=no')).toEqual({});
  });

  it.each([
    ['quality=1', { quality: 1 }],
    ['quality=100', { quality: 100 }],
    ['window=40,400,linear', { window: { center: 40, width: 400, function: 'LINEAR' } }],
    ['window=-600.5,1.5e3,linear-exact', { window: { center: -600.5, width: 1500, function: 'LINEAR_EXACT' } }],
    ['window=.5,0.01,sigmoid', { window: { center: 0.5, width: 0.01, function: 'SIGMOID' } }],
    ['window=40,400', { window: { center: 40, width: 400, function: 'LINEAR' } }],
    ['viewport=512,256', { viewport: { width: 512, height: 256, region: {} } }],
    [
      'viewport=10,20,1.5,2,-30,40',
      { viewport: { width: 10, height: 20, region: { x: 1.5, y: 2, width: -30, height: 40 } } },
    ],
    ['viewport=10,20,,,,-40', { viewport: { width: 10, height: 20, region: { height: -40 } } }],
    ['viewport=10,20,5', { viewport: { width: 10, height: 20, region: { x: 5 } } }],
  ])('%s is read', (query, expected) => {
    expect(read(query)).toEqual(expected);
  });

  it.each([
    ...['quality=0', 'quality=101', 'quality=50.5', 'quality=', 'quality=-1', 'quality=90&quality=80'],
    ...['window=', 'window=40', 'window=40,400,cubic', 'window=40,400,linear,1', 'window=a,b', 'window=NaN,1'],
    ...['window=40,0,linear', 'window=40,0.5,linear', 'window=40,0,sigmoid', 'window=40,-1,linear-exact'],
    ...['window=Infinity,1', 'window=1e999,1', 'window=0x10,1', 'window=40 ,400'],
    ...['viewport=', 'viewport=512', 'viewport=0,512', 'viewport=512,-1', 'viewport=1.5,2', 'viewport=a,b'],
    ...['viewport=1,1,1,1,1,1,1', 'viewport=1,1,x', 'viewport=1,1,,,0', `viewport=${viewportSideMax + 1},1`],
    ...['annotation=patient', 'annotation=patient,technique', 'iccprofile=srgb', 'iccprofile=yes'],
    `window=${'9'.repeat(5000)},1`,
  ])('%s is refused', (query) => {
    expect(() => read(query)).toThrow(BadRequestError);
  });

  it('refuses by name, and does not repeat what was sent', () => {
    expect(() => read('annotation=%3Cscript%3E')).toThrow(/^annotation: [^<]*$/);
    expect(() => read('window=%3Cscript%3E,1')).toThrow(/^[^<]*$/);
  });
});

describe('the query of a thumbnail', () => {
  it('has a viewport and nothing else', () => {
    expect(readThumbnailQuery(new URLSearchParams('viewport=64,64&quality=x&window=y'))).toEqual({
      viewport: { width: 64, height: 64, region: {} },
    });
    expect(readThumbnailQuery(new URLSearchParams(''))).toEqual({});
    expect(() => readThumbnailQuery(new URLSearchParams('viewport=0,0'))).toThrow(BadRequestError);
  });
});
