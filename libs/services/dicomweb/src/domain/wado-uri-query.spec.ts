import { describe, expect, it } from 'vitest';

import { BadRequestError } from './errors/door.js';
import { readWadoUriQuery, renderQueryOf } from './wado-uri-query.js';

const object = 'requestType=WADO&studyUID=1.2&seriesUID=1.2.3&objectUID=1.2.3.4';
const read = (query: string) => readWadoUriQuery(new URLSearchParams(query));
const image = { rows: 400, columns: 600 };

describe('a WADO-URI query', () => {
  it('names an instance', () => {
    expect(read(object)).toEqual({
      study: '1.2',
      series: '1.2.3',
      instance: '1.2.3.4',
      rendering: {},
      renderedOnly: [],
    });
  });

  it('says how it is wanted', () => {
    const query = read(
      `${object}&contentType=image%2Fpng&frameNumber=3&imageQuality=70&windowCenter=-600&windowWidth=1500&charset=utf-8&x=y`,
    );
    expect(query).toMatchObject({
      contentType: 'image/png',
      frameNumber: 3,
      rendering: { quality: 70, window: { center: -600, width: 1500, function: 'LINEAR' } },
      renderedOnly: ['frameNumber', 'imageQuality', 'windowCenter', 'windowWidth'],
    });
    expect(
      read(`${object}&contentType=application/dicom&transferSyntax=1.2.840.10008.1.2.4.90&anonymize=no`),
    ).toMatchObject({ transferSyntax: '1.2.840.10008.1.2.4.90', renderedOnly: [] });
    expect(read(`${object}&contentType=application/dicom&transferSyntax=*`).transferSyntax).toBe('*');
  });

  it.each([
    ...['', 'requestType=wado&studyUID=1.2&seriesUID=1.2.3&objectUID=1.2.3.4', 'requestType=WADO'],
    ...['requestType=WADO&studyUID=1.2&seriesUID=1.2.3', `${object}&objectUID=1.2.3.5`],
    'requestType=WADO&studyUID=../1&seriesUID=1.2.3&objectUID=1.2.3.4',
    'requestType=WADO&studyUID=1.2%00&seriesUID=1.2.3&objectUID=1.2.3.4',
    ...[
      'frameNumber=0',
      'frameNumber=1,2',
      'frameNumber=',
      'imageQuality=0',
      'rows=0',
      'columns=99999',
      'rows=1.5',
    ].map((more) => `${object}&${more}`),
    ...['windowCenter=40', 'windowWidth=400', 'windowCenter=40&windowWidth=0', 'windowCenter=x&windowWidth=1'].map(
      (more) => `${object}&${more}`,
    ),
    ...[
      'region=0,0,1',
      'region=0,0,1,1,1',
      'region=0,0,1.1,1',
      'region=-0.1,0,1,1',
      'region=0.5,0,0.5,1',
      'region=a',
    ].map((more) => `${object}&${more}`),
    ...[
      'anonymize=yes',
      'annotation=patient',
      'presentationUID=1.2',
      'presentationSeriesUID=1.2',
      'transferSyntax=x',
    ].map((more) => `${object}&${more}`),
  ])('%s is refused', (query) => {
    expect(() => read(query)).toThrow(BadRequestError);
  });
});

describe('what it asks of an image', () => {
  const viewportOf = (query: string) => renderQueryOf(read(`${object}&${query}`).rendering, image).viewport;

  it('is nothing of its size where none is given', () => {
    expect(renderQueryOf(read(`${object}&imageQuality=5`).rendering, image)).toEqual({ quality: 5 });
  });

  it('is a size inside both sides, or inside the one that is given', () => {
    expect(viewportOf('rows=100&columns=90')).toEqual({ width: 90, height: 100 });
    const { width = 0, height } = viewportOf('rows=100') ?? {};
    expect(height).toBe(100);
    expect(width).toBeGreaterThanOrEqual(150);
  });

  it('is a part of it, as large as it is there or as is said', () => {
    const region = { x: 150, y: 100, width: 300, height: 300 };
    expect(viewportOf('region=0.25,0.25,0.75,1')).toEqual({ width: 300, height: 300, region });
    expect(viewportOf('region=0.25,0.25,0.75,1&columns=30&rows=60')).toEqual({ width: 30, height: 60, region });
  });
});
