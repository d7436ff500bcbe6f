import { expect, it } from 'vitest';

import { AnswerParser } from './answer-parser.js';

const lines = (...of: string[]): string => of.map((line) => `${line}\r\n`).join('');

/** Answers that end by themselves: what is sent, and what is read of it. */
const whole: Readonly<Record<string, readonly [wire: string, status: number, body: string, persists: boolean]>> = {
  'a length': [lines('HTTP/1.1 200 OK', 'Content-Length: 6', '') + 'ab\r\ncd', 200, 'ab\r\ncd', true],
  'no bytes': [lines('HTTP/1.1 500 No', 'content-length: 0', ''), 500, '', true],
  'no reason': [lines('HTTP/1.1 404 ', 'content-length:1', '') + 'x', 404, 'x', true],
  'no reason nor space': [lines('HTTP/1.1 404', 'content-length:\t 1 \t', '') + 'x', 404, 'x', true],
  '204': [lines('HTTP/1.1 204 None', 'Connection: Keep-Alive', ''), 204, '', true],
  '304 with the length of what is not sent': [lines('HTTP/1.1 304 Same', 'Content-Length: 7', ''), 304, '', true],
  'a connection that closes': [
    lines('HTTP/1.1 200 OK', 'Connection: x, Close', 'Content-Length: 1', '') + '-',
    200,
    '-',
    false,
  ],
  chunks: [
    lines('HTTP/1.1 200 OK', 'Transfer-Encoding: Chunked', '', '3', 'abc', '00A', '0123\r\n6789', '0', ''),
    200,
    'abc0123\r\n6789',
    true,
  ],
  'chunks with extensions and trailers': [
    lines(
      'HTTP/1.1 200 OK',
      'transfer-encoding: chunked',
      '',
      '2;a=b;c="d;e"',
      'ab',
      '1 ;f',
      'c',
      '0;g',
      'T: u',
      'V:',
      '',
    ),
    200,
    'abc',
    true,
  ],
  'chunks of nothing': [lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '', '0', ''), 200, '', true],
  'interim answers before': [
    lines('HTTP/1.1 100 Continue', '', 'HTTP/1.1 103 Hints', 'content-length: 9', '') +
      lines('HTTP/1.1 200 OK', 'content-length: 1', '') +
      'x',
    200,
    'x',
    true,
  ],
};
const untilTheEnd = lines('HTTP/1.1 200 OK', 'A: b', '') + 'as long\r\nas it goes';

/** Each piece is read into the same bytes, over what was there. */
function parsed(pieces: readonly string[], keep = true): AnswerParser {
  const parser = new AnswerParser(keep);
  const bytes = Buffer.alloc(20_000, '\n');
  for (const piece of pieces) {
    bytes.fill('\n');
    bytes.write(piece, 'latin1');
    expect(parser.push(bytes, piece.length)).toBe(piece.length);
  }
  return parser;
}

it.each(Object.entries(whole))('reads %s, wherever it is split', (_, [wire, status, body, persists]) => {
  const splits = Array.from({ length: wire.length + 1 }, (__, at) => [wire.slice(0, at), wire.slice(at)]);
  for (const pieces of [...splits, [...wire]]) {
    const parser = parsed(pieces);
    expect([parser.done, parser.status, String(parser.body), parser.byteCount, parser.persists]).toEqual([
      true,
      status,
      body,
      body.length,
      persists,
    ]);
    parser.end();
  }
  const counted = parsed([wire], false);
  expect([counted.done, counted.byteCount, counted.body]).toEqual([true, body.length, undefined]);
});

it.each(Object.entries(whole))('takes %s for no answer when the connection ends before it does', (_, [wire]) => {
  for (let end = 0; end < wire.length; end++) {
    const parser = parsed([wire.slice(0, end)]);
    expect(parser.done).toBe(false);
    expect(() => parser.end()).toThrow('the connection ended');
  }
});

it('reads what has no length until the connection ends', () => {
  for (let at = 0; at <= untilTheEnd.length; at++) {
    const parser = parsed([untilTheEnd.slice(0, at), untilTheEnd.slice(at)]);
    expect(parser.done).toBe(false);
    parser.end();
    expect([parser.done, String(parser.body), parser.persists]).toEqual([true, 'as long\r\nas it goes', false]);
  }
});

it('leaves what comes behind an answer', () => {
  const [wire] = whole['a length'] ?? [''];
  const parser = new AnswerParser();
  expect(parser.push(Buffer.from(`${wire}HTTP/1.1`), wire.length + 8)).toBe(wire.length);
  expect(parser.done).toBe(true);
});

it('gives headers in lower case, those that came again as one list', () => {
  const { headers } = parsed([
    lines('HTTP/1.1 204 -', 'ETag:  "a: b" ', 'Vary: x', 'VARY: y', '__proto__: z', 'empty:', ''),
  ]);
  expect(Object.entries(headers)).toEqual([
    ['etag', '"a: b"'],
    ['vary', 'x, y'],
    ['__proto__', 'z'],
    ['empty', ''],
  ]);
});

const chunked = lines('HTTP/1.1 200 OK', 'transfer-encoding: chunked', '');
const many = (line: string): string => `${line}\r\n`.repeat(2 ** 14 / line.length);

it.each([
  ['another protocol', lines('ICY 200 OK')],
  ['another version', lines('HTTP/1.0 200 OK')],
  ['a status of two digits', lines('HTTP/1.1 20 OK')],
  ['a status of four', lines('HTTP/1.1 2000 OK')],
  ['an empty line first', lines('', 'HTTP/1.1 200 OK')],
  ['a line that ends in LF', 'HTTP/1.1 200 OK\n'],
  ['a CR in a line', lines('HTTP/1.1 200 O\rK')],
  ['a field without a name', lines('HTTP/1.1 200 OK', ': x')],
  ['a field without a colon', lines('HTTP/1.1 200 OK', 'x')],
  ['a space before the colon', lines('HTTP/1.1 200 OK', 'x : y')],
  ['a folded line', lines('HTTP/1.1 200 OK', 'x: y', ' z')],
  ['a null in a field', lines('HTTP/1.1 200 OK', 'x: \0')],
  ['a length that is none', lines('HTTP/1.1 200 OK', 'content-length: 1a', '')],
  ['a negative length', lines('HTTP/1.1 200 OK', 'content-length: -1', '')],
  ['an empty length', lines('HTTP/1.1 200 OK', 'content-length:', '')],
  ['a length past all numbers', lines('HTTP/1.1 200 OK', 'content-length: 99999999999999999', '')],
  ['two lengths', lines('HTTP/1.1 200 OK', 'content-length: 1', 'content-length: 1', '')],
  ['a length and chunks', lines('HTTP/1.1 200 OK', 'content-length: 1', 'transfer-encoding: chunked', '')],
  ['another transfer coding', lines('HTTP/1.1 200 OK', 'transfer-encoding: gzip, chunked', '')],
  ['another protocol that nobody asked for', lines('HTTP/1.1 101 Switching Protocols', 'upgrade: x', '')],
  ['a chunk without a size', chunked + lines('')],
  ['a size that is none', chunked + lines('x')],
  ['a negative size', chunked + lines('-1')],
  ['a size past all numbers', chunked + lines('fffffffffffffffff')],
  ['a chunk that is longer than its size', chunked + lines('1', 'ab')],
  ['a trailer that is none', chunked + lines('0', 'x')],
])('takes %s for no answer', (_, wire) => {
  expect(() => parsed([wire])).toThrow('of an answer is not HTTP/1.1');
});

it.each([
  ['a status line', 'x'.repeat(2 ** 14 + 1)],
  ['a head', lines('HTTP/1.1 200 OK') + many('x: y')],
  ['the head of an interim answer', lines('HTTP/1.1 100 -', '', 'HTTP/1.1 100 -') + many('x: y')],
  ['an extension', `${chunked}1;${'x'.repeat(2 ** 14)}`],
  ['trailers', chunked + lines('0') + many('x: y')],
])('holds no more of %s than a bound, in one read or in many', (_, wire) => {
  expect(() => parsed([wire])).toThrow('more than 16384 bytes');
  const parser = new AnswerParser();
  expect(() => {
    for (const byte of wire) parser.push(Buffer.from(byte), 1);
  }).toThrow('more than 16384 bytes');
});
