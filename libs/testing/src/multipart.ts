/** One part of a multipart answer. */
export interface Part {
  /** '' when the part names none. */
  readonly contentType: string;
  readonly bytes: Buffer;
}

/**
 * The parts of a `multipart/related` answer as a client reads them (RFC 2046 section 5.1.1). The tests' own reader: what
 * it is held against writes multipart itself.
 * @param contentType of the whole answer, which names the boundary
 * @throws {Error} the answer is no multipart, or is cut off
 */
export function multipartParts(contentType: string, body: Uint8Array): Part[] {
  const boundary = /boundary="?([^";]+)/.exec(contentType)?.[1];
  if (!contentType.startsWith('multipart/related') || !boundary) throw new Error(`no multipart answer: ${contentType}`);
  const parts: Part[] = [];
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter has no line before it.
  const whole = Buffer.concat([Buffer.from('\r\n'), body]);
  const first = whole.indexOf(delimiter);
  if (first < 0) throw new Error('the multipart answer has no delimiter');
  for (let at = first + delimiter.length; ;) {
    if (whole.subarray(at, at + 2).toString() === '--') return parts;
    const headersEnd = whole.indexOf('\r\n\r\n', at);
    const end = whole.indexOf(delimiter, headersEnd);
    if (headersEnd < 0 || end < 0) throw new Error('the multipart answer is cut off');
    const headers = whole.subarray(at, headersEnd).toString('latin1');
    parts.push({
      contentType: /^content-type: *(.*)$/im.exec(headers)?.[1]?.trim() ?? '',
      bytes: whole.subarray(headersEnd + 4, end),
    });
    at = end + delimiter.length;
  }
}
