import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { studyRootFind } from '../../test-support/services.js';
import { CommandField, type CommandSet } from '../messages/command-set.js';
import type { AcceptedContext } from './contexts.js';
import type { IncomingRequest } from './incoming-request.js';
import { keptDatasets } from './kept-datasets.js';
import { ServedRequests } from './served-requests.js';

const mebibyte = 1024 * 1024;
const context = { id: 1, abstractSyntaxUid: studyRootFind } as AcceptedContext;
const find: CommandSet = { commandField: CommandField.CFindRq, hasDataset: true };

/** Requests of one peer, each served until `answer` is called. */
function serving(window = 4) {
  const began: { request: IncomingRequest; answer: () => void }[] = [];
  const requests = new ServedRequests({
    window,
    identifierBytesMax: 2 * mebibyte,
    peer: 'PEER',
    awaitWhole: () => () => undefined,
    peerIsSlow: () => false,
    hold: () => undefined,
    serve: (request) => new Promise((resolve) => began.push({ request, answer: resolve })),
    refuse: () => undefined,
    closed: () => undefined,
  });
  const before = keptDatasets.byteCount;
  return {
    began,
    requests,
    kept: () => keptDatasets.byteCount - before,
    receive: (messageId: number, bytes: number) => {
      const sink = requests.receive(context, find, messageId);
      for (let at = 0; at < bytes; at += mebibyte / 2) sink?.write(Buffer.alloc(mebibyte / 2));
      return sink;
    },
  };
}

describe('datasets of requests', () => {
  it('count for as long as their requests are served', async () => {
    const { began, requests, kept, receive } = serving();
    receive(1, mebibyte)?.end();
    receive(2, mebibyte)?.end();
    expect([began.length, kept()]).toEqual([2, 2 * mebibyte]);
    expect(began[0]?.request.dataset).toHaveLength(mebibyte);
    began[0]?.answer();
    await turn();
    expect(kept()).toBe(mebibyte);
    began[1]?.answer();
    await requests.settled();
    expect(kept()).toBe(0);
  });

  it('that are too long count for nothing, and are said to be', async () => {
    const { began, requests, kept, receive } = serving();
    receive(1, 3 * mebibyte)?.end();
    expect([began[0]?.request.tooLong, kept()]).toEqual([true, 0]);
    began[0]?.answer();
    await requests.settled();
  });

  it('count no more when the association ends in the middle of them', async () => {
    const { began, requests, kept, receive } = serving();
    receive(1, mebibyte)?.end();
    receive(2, mebibyte);
    expect(kept()).toBe(2 * mebibyte);
    requests.fail(new Error('the peer is gone'));
    expect(kept()).toBe(mebibyte);
    // Who serves it has its bytes until it has ended.
    expect(began[0]?.request.signal.aborted).toBe(true);
    began[0]?.answer();
    await requests.settled();
    expect(kept()).toBe(0);
  });
});
