import { once } from 'node:events';
import { createServer as createHttpServer, type Server as HttpServer, type ServerResponse } from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

import { freePort } from '@callosum/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { Balancer } from './balancer.js';
import { Endpoints } from './endpoints.js';

const opened: { close: () => unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

interface Replica {
  readonly port: number;
  readonly probe: string;
  ready: boolean;
}

/** Answers each line with its name, and its probe as `ready` says. */
async function replica(name: string): Promise<Replica> {
  const server = createServer((socket) => socket.on('data', () => socket.write(name)).on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  const probes: HttpServer = createHttpServer((_, response) => response.writeHead(found.ready ? 200 : 503).end());
  probes.listen(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(probes, 'listening')]);
  opened.push(server, probes);
  const at = (listening: { address(): unknown }): number => (listening.address() as AddressInfo).port;
  const found: Replica = { port: at(server), probe: `http://127.0.0.1:${at(probes)}/`, ready: true };
  return found;
}

async function ask(socket: Socket): Promise<string> {
  socket.write('who');
  return String((await once(socket, 'data'))[0]);
}

describe('the endpoints of a service', () => {
  it('are the replicas that are ready and not being ended; what is connected stays connected', async () => {
    const replicas = [await replica('one'), await replica('two')];
    const [one, two] = replicas as [Replica, Replica];
    const endpoints = new Endpoints();
    const ports = (): number[] =>
      replicas.filter((_, index) => endpoints.has('service', index)).map(({ port }) => port);
    expect(ports()).toEqual([one.port, two.port]);
    endpoints.watch(
      replicas.map(({ probe }, index) => ({ service: 'service', replica: index, url: probe })),
      20,
    );
    opened.push(endpoints);
    const become = (wanted: readonly number[]): Promise<void> => vi.waitFor(() => expect(ports()).toEqual(wanted));
    await become([one.port, two.port]);

    const front = await freePort();
    opened.push(await Balancer.listen(front, ports));
    const open = (): Socket => {
      const socket = connect({ port: front, host: '127.0.0.1' });
      opened.push({ close: () => socket.destroy() });
      return socket;
    };
    const early = [open(), open()];
    expect((await Promise.all(early.map(ask))).sort()).toEqual(['one', 'two']);

    endpoints.withdraw('service', 0);
    expect(await Promise.all([ask(open()), ask(open()), ask(open())])).toEqual(['two', 'two', 'two']);
    expect((await Promise.all(early.map(ask))).sort()).toEqual(['one', 'two']);

    // Its successor gets none before it says that it is ready.
    one.ready = false;
    endpoints.expect('service', 0);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(ports()).toEqual([two.port]);
    one.ready = true;
    await become([one.port, two.port]);

    two.ready = false;
    await become([one.port]);
    expect(await ask(open())).toBe('one');
  });

  it('are none that said so before they were expected, when their process of before still answered', async () => {
    const held: ServerResponse[] = [];
    const probes = createHttpServer((_, response) => {
      if (held.push(response) > 1) response.writeHead(503).end();
    });
    probes.listen(0, '127.0.0.1');
    await once(probes, 'listening');
    const endpoints = new Endpoints();
    opened.push(probes, endpoints);
    const url = `http://127.0.0.1:${(probes.address() as AddressInfo).port}/`;
    endpoints.watch([{ service: 'service', replica: 0, url }], 20);
    await vi.waitFor(() => expect(held).toHaveLength(1));
    endpoints.expect('service', 0);
    held[0]?.writeHead(200).end();
    // The answer has been read when the next is asked for.
    await once(probes, 'request');
    expect(endpoints.has('service', 0)).toBe(false);
  });
});
