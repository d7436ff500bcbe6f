import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import { tinyCt } from '@callosum/phantom';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { multipart } from '../../test-support/multipart.js';
import { openStowServer, type StowServer } from '../../test-support/stow-server.js';

/** A boundary begins behind two whole objects, and no end. */
const whole = multipart('b', [{ bytes: tinyCt().bytes }, { bytes: tinyCt().bytes }]);
const twoObjects = whole.subarray(0, whole.lastIndexOf('--b--') + 3);
const head =
  'POST /dicom-web/studies HTTP/1.1\r\nhost: localhost\r\ncontent-type: multipart/related; type="application/dicom"; boundary=b\r\n';
const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);

describe('a store that breaks off over a connection that stays open for the answer', () => {
  let server: StowServer;

  beforeAll(async () => {
    server = await openStowServer();
  });
  afterAll(() => server.close());
  beforeEach(() => server.beginAnew());

  /** All that comes back until the server closes the connection. @param ends whether the client ends its side */
  async function answerTo(pieces: readonly (Buffer | string)[], ends: boolean): Promise<string> {
    const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true });
    const answer = text(socket);
    for (const piece of pieces) socket.write(piece);
    if (ends) socket.end();
    try {
      return await answer;
    } finally {
      socket.destroy();
    }
  }

  it.each([
    ['has fewer bytes than it said', [`${head}content-length: 1000000\r\n\r\n`, twoObjects], true],
    ['ends before its last chunk', [`${head}transfer-encoding: chunked\r\n\r\n`, chunk(twoObjects)], true],
    ['has a chunk without a size', [`${head}transfer-encoding: chunked\r\n\r\n`, chunk(twoObjects), 'zz\r\n'], false],
    [
      'goes on behind it',
      [`${head}transfer-encoding: chunked\r\n\r\n`, chunk(twoObjects), 'zz\r\n', Buffer.alloc(1_000)],
      false,
    ],
  ] as const)('and %s is told what was stored', async (_, pieces, ends) => {
    const answer = await answerTo(pieces, ends);
    expect(answer).toMatch(/^HTTP\/1\.1 202 /);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).toMatch(/\r\nwarning: 299 callosum "the request is cut off"\r\n/i);
    expect(answer).toContain('00081199');
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(server.intake.stored).toHaveLength(2);
  });

  it('and brought no object is refused in words', async () => {
    const answer = await answerTo([`${head}content-length: 1000\r\n\r\n--b`], true);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('the request is cut off');
    expect(server.intake.stored).toEqual([]);
  });

  it('is refused without a word where it is no request yet', async () => {
    expect(await answerTo(['no request\r\n\r\n'], false)).toBe('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  });
});
