import { describe, expect, it } from 'vitest';

import { multipartParts } from './multipart.js';

const type = 'multipart/related; type="application/dicom"; boundary="a-boundary"';
const answer = [
  '--a-boundary',
  'Content-Type: application/dicom',
  '',
  'one\r\n--a-bound',
  '--a-boundary',
  'MIME-Version: 1.0',
  '',
  '',
  '--a-boundary--',
].join('\r\n');

describe("the tests' reader of multipart answers", () => {
  it('gives each part its bytes and type', () => {
    const parts = multipartParts(type, Buffer.from(answer));
    expect(parts.map(({ contentType, bytes }) => [contentType, bytes.toString()])).toEqual([
      ['application/dicom', 'one\r\n--a-bound'],
      ['', ''],
    ]);
  });

  it('takes no answer for whole that is cut off, and none that is no multipart', () => {
    for (const length of [0, 20, 60, answer.length - '--a-boundary--'.length - 2])
      expect(() => multipartParts(type, Buffer.from(answer.slice(0, length)))).toThrow(/cut off|no delimiter/);
    expect(() => multipartParts('application/json', Buffer.from('{}'))).toThrow('no multipart answer');
  });
});
