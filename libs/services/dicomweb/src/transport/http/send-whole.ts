import { Readable } from 'node:stream';

import type { FastifyReply } from 'fastify';

import type { RequestBody } from './request-body.js';

/** Bodies of requests that are answered before they have ended. */
const unread = new WeakMap<FastifyReply['raw'], RequestBody>();

/** Says that the request goes on, and is not waited for: whatever answers it, by `sendWhole`, is its connection's last. */
export function answersBefore(reply: FastifyReply, body: RequestBody): void {
  unread.set(reply.raw, body);
}

/** Sends an answer whose bytes are all there. Its status and type are set before. */
export function sendWhole(reply: FastifyReply, answer: Buffer): FastifyReply {
  const body = unread.get(reply.raw);
  if (!body) return reply.send(answer);
  void reply.header('connection', 'close').header('content-length', answer.length);
  return reply.send(Readable.from(body.answerBefore(answer), { objectMode: false }));
}
