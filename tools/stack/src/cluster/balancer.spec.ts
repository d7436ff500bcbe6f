import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { Balancer } from './balancer.js';
import { freePort } from '@callosum/testing';

const opened: { close: () => unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

/** A server that says its name to whoever connects. */
async function backend(name: string): Promise<{ port: number; server: Server }> {
  const port = await freePort();
  const server = createServer((socket) => socket.end(name));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  opened.push(server);
  return { port, server };
}

async function ask(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  let said = '';
  for await (const chunk of socket) said += String(chunk);
  return said;
}

describe('the balancer in front of replicas', () => {
  it('takes turns, passes over a replica that is gone, and hangs up when none is left', async () => {
    const [one, two] = [await backend('one'), await backend('two')];
    let ports = [one.port, two.port];
    const port = await freePort();
    opened.push(await Balancer.listen(port, () => ports));
    expect([await ask(port), await ask(port), await ask(port)]).toEqual(['one', 'two', 'one']);
    one.server.close();
    await once(one.server, 'close');
    expect([await ask(port), await ask(port)]).toEqual(['two', 'two']);
    ports = [];
    expect(await ask(port)).toBe('');
  });
});
