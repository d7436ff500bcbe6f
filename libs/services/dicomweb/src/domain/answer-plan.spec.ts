import { describe, expect, it } from 'vitest';

import { type AnswerRequest, planAnswer, type Selected } from './answer-plan.js';

/** Bulk data: octets of a known length. */
const octets: Selected = { etag: '"octets"', byteCount: 1000 };
/** Metadata: made of pieces, of a length that nobody counts before. */
const metadata: Selected = { etag: 'W/"metadata"', byteCount: undefined };
const plan = (selected: Selected, headers: AnswerRequest['headers'] = {}, method = 'GET') =>
  planAnswer({ method, headers }, selected);

describe('an answer of known length', () => {
  it.each(['GET', 'HEAD'])('says its length and that it has ranges, for %s too', (method) => {
    expect(plan(octets, {}, method)).toEqual({
      status: 200,
      headers: { 'accept-ranges': 'bytes', 'content-length': '1000' },
    });
  });

  it('is a part of it where a range is asked for (RFC 9110 15.3.7)', () => {
    expect(plan(octets, { range: 'bytes=-100' })).toEqual({
      status: 206,
      part: { first: 900, last: 999 },
      headers: { 'accept-ranges': 'bytes', 'content-range': 'bytes 900-999/1000', 'content-length': '100' },
    });
  });

  it('says its length to who asks for more than there is (15.5.17)', () => {
    expect(plan(octets, { range: 'bytes=1000-' })).toEqual({
      status: 416,
      headers: { 'accept-ranges': 'bytes', 'content-range': 'bytes */1000' },
    });
  });

  it.each([
    // Range only counts for the representation that the client has the rest of (13.1.5) …
    [{ range: 'bytes=0-9', 'if-range': '"octets"' }, 206],
    [{ range: 'bytes=0-9', 'if-range': '"older"' }, 200],
    [{ range: 'bytes=0-9', 'if-range': 'W/"octets"' }, 200],
    [{ range: 'bytes=1000-', 'if-range': '"older"' }, 200],
    // … and after the preconditions (13.2.2).
    [{ range: 'bytes=0-9', 'if-none-match': '"octets"' }, 304],
    [{ range: 'bytes=1000-', 'if-none-match': '"octets"' }, 304],
    [{ range: 'bytes=0-9', 'if-none-match': '"older"' }, 206],
    [{ range: 'bytes=0-9', 'if-match': '"older"' }, 412],
    [{ 'if-match': '"octets"' }, 200],
    [{ 'if-none-match': '*' }, 304],
    [{ range: 'bytes=0-1,5-6' }, 200],
  ])('for %j is %s', (headers, status) => {
    expect(plan(octets, headers).status).toBe(status);
  });

  it('has no range for HEAD (14.2), and the same conditions', () => {
    expect(plan(octets, { range: 'bytes=0-9' }, 'HEAD').status).toBe(200);
    expect(plan(octets, { 'if-none-match': '"octets"' }, 'HEAD').status).toBe(304);
  });

  it('of no bytes has a length too', () => {
    expect(plan({ ...octets, byteCount: 0 }).headers['content-length']).toBe('0');
  });

  it('without an entity tag has ranges, but none under a condition', () => {
    const untagged = { ...octets, etag: undefined };
    expect(plan(untagged, { range: 'bytes=0-9', 'if-none-match': '*', 'if-match': '"x"' }).status).toBe(206);
    expect(plan(untagged, { range: 'bytes=0-9', 'if-range': '"octets"' }).status).toBe(200);
  });

  it('with a weak entity tag has ranges, but none under a condition (8.8.1)', () => {
    const weak = { ...octets, etag: 'W/"octets"' };
    expect(plan(weak, { range: 'bytes=0-9' }).status).toBe(206);
    for (const tag of ['"octets"', 'W/"octets"'])
      expect(plan(weak, { range: 'bytes=0-9', 'if-range': tag }).status).toBe(200);
  });
});

describe('an answer of unknown length', () => {
  it('has no ranges, and says nothing of its length', () => {
    expect(plan(metadata, { range: 'bytes=0-9' })).toEqual({ status: 200, headers: {} });
  });

  it('is not sent to who has it', () => {
    expect(plan(metadata, { 'if-none-match': '"x", W/"metadata"' })).toEqual({ status: 304, headers: {} });
    expect(plan(metadata, { 'if-match': 'W/"metadata"' }).status).toBe(412);
  });
});
