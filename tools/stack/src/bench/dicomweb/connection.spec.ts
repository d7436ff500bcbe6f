import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, Socket } from 'node:net';
import { setImmediate as turn, setTimeout } from 'node:timers/promises';

import { afterEach, expect, it, vi } from 'vitest';

import { HttpClient } from './http-client.js';

/** What the server does with the request of that number over that connection: its head is in what has come, and maybe more. */
type Answer = (socket: Socket, head: string, connection: number) => unknown;

const ok = (body = ''): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

let servers: Server[] = [];
let sockets: Socket[] = [];
let clients: HttpClient[] = [];

/** A server of bytes, and a client of it. */
async function clientOf(answer: Answer, connections = 1, host = '127.0.0.1'): Promise<HttpClient> {
  const server = createServer({ noDelay: true, highWaterMark: 2 ** 14 }, (socket) => {
    const number = sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => answer(socket, bytes.toString('latin1'), number));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = new HttpClient(`http://${host}:${(server.address() as AddressInfo).port}`, connections);
  clients.push(client);
  return client;
}

afterEach(async () => {
  vi.restoreAllMocks();
  for (const client of clients) client.close();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  [servers, sockets, clients] = [[], [], []];
});

it('has as many connections as it may, and whoever comes later waits in order', async () => {
  const asked: string[] = [];
  const held: Socket[] = [];
  const client = await clientOf((socket, head) => {
    asked.push(/ (\S+) /.exec(head)?.[1] ?? '');
    held.push(socket);
  }, 3);
  const paths = Array.from({ length: 9 }, (_, n) => `/${n}`);
  const answered = paths.map((path) => client.ask(path));
  for (let n = 1; n <= paths.length; n++) {
    while (asked.length < Math.min(paths.length, n + 2)) await turn();
    expect(held).toHaveLength(Math.min(3, paths.length - n + 1));
    held.shift()?.write(ok());
  }
  await Promise.all(answered);
  expect([sockets.length, asked.slice(0, 3).toSorted(), asked.slice(3)]).toEqual([
    3,
    paths.slice(0, 3),
    paths.slice(3),
  ]);
});

it('gives its turn on when a request fails', async () => {
  const client = await clientOf((socket, head) =>
    head.startsWith('GET /bad ') ? socket.end('?') : socket.write(ok()),
  );
  const answered = await Promise.allSettled(['/bad', '/good', '/bad', '/good'].map((path) => client.ask(path)));
  expect(answered.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'rejected', 'fulfilled']);
});

it('opens another connection where the server has closed an idle one', async () => {
  const client = await clientOf((socket) => socket.write(ok()));
  await client.ask('/');
  sockets[0]?.end();
  if (sockets[0]) await once(sockets[0], 'close');
  await client.ask('/');
  await client.ask('/');
  expect(sockets).toHaveLength(2);
});

it.each([
  ['says that it closes it', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'],
  ['sends more than an answer', `${ok()}HTTP/1.1 200 OK\r\n`],
])('does not use a connection again when the server %s', async (_, wire) => {
  const client = await clientOf((socket) => socket.write(wire));
  for (let n = 0; n < 3; n++) expect((await client.ask('/')).byteCount).toBe(0);
  expect(sockets).toHaveLength(3);
});

it('reads an answer without a length to the end of its connection', async () => {
  const client = await clientOf((socket) => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end'));
  for (let n = 0; n < 2; n++) expect(String((await client.ask('/', { keep: true })).body)).toBe('to the end');
});

it('asks once more, over another connection, when one that was idle closes under a GET, and never stores twice', async () => {
  const seen: string[] = [];
  const client = await clientOf((socket, head, connection) => {
    seen.push(`${connection} ${head.slice(0, head.indexOf(' '))}`);
    if (seen.length % 2 === 1) socket.write(ok());
    else socket.destroy();
  });
  await client.ask('/');
  await client.ask('/');
  await expect(client.ask('/', { method: 'POST' })).rejects.toThrow('there was no answer');
  expect(seen).toEqual(['1 GET', '1 GET', '2 GET', '2 POST']);
});

it('does not ask again what a first connection does not answer', async () => {
  const client = await clientOf((socket) => socket.destroy());
  await expect(client.ask('/')).rejects.toThrow('there was no answer');
  expect(sockets).toHaveLength(1);
});

it.each([
  ['ends', (socket: Socket): unknown => socket.end()],
  ['breaks', (socket: Socket): unknown => socket.resetAndDestroy()],
])('throws when the connection %s within an answer', async (_, broken) => {
  const client = await clientOf((socket, __, connection) => {
    if (connection > 1) socket.write(ok());
    else socket.write(ok('whole').slice(0, -1), () => void setTimeout(20, socket).then(broken));
  });
  await expect(client.ask('/')).rejects.toThrow(/ended|ECONNRESET/);
  await client.ask('/');
});

it('throws for what is no answer, and goes on over another connection', async () => {
  const client = await clientOf((socket, _, connection) => socket.write(connection > 1 ? ok() : 'SSH-2.0\r\n'));
  await expect(client.ask('/')).rejects.toThrow('not HTTP/1.1');
  await client.ask('/');
});

it('throws when nobody listens, and when it is closed', async () => {
  const client = await clientOf(() => undefined, 1);
  const pending = [client.ask('/'), client.ask('/')];
  while (sockets.length === 0) await turn();
  client.close();
  for (const asked of [...pending, client.ask('/')]) await expect(asked).rejects.toThrow('closed');
  const [server] = servers;
  const port = (server?.address() as AddressInfo).port;
  sockets[0]?.destroy();
  await new Promise((resolve) => server?.close(resolve));
  await expect(new HttpClient(`http://127.0.0.1:${port}`).ask('/')).rejects.toThrow('ECONNREFUSED');
});

it('finds a server by its name', async () => {
  const client = await clientOf((socket, head) => socket.write(ok(head)), 1, 'localhost');
  const { body } = await client.ask('/a?b=c', { keep: true, headers: { Accept: 'x/y' } });
  const [line, host, ...fields] = String(body).split('\r\n');
  expect([line, host?.slice(0, 16), ...fields]).toEqual([
    'GET /a?b=c HTTP/1.1',
    'host: localhost:',
    'Accept: x/y',
    '',
    '',
  ]);
});

it('refuses what it cannot ask', async () => {
  expect(() => new HttpClient('https://127.0.0.1')).toThrow(RangeError);
  const client = await clientOf(() => undefined);
  for (const [path, headers] of [
    ['/ HTTP/1.1\r\nx: y', {}],
    ['/caf\u00e9', {}],
    ['/', { x: 'y\r\nz: 1' }],
    ['/', { 'x y': '' }],
  ] as const)
    await expect(client.ask(path, { headers })).rejects.toThrow(RangeError);
  expect(sockets).toEqual([]);
});

/** A mebibyte that is sent again and again, and how often the socket was given it. */
const piece = Buffer.alloc(2 ** 20, 'x');
const body = Array.from({ length: 100 }, () => piece);
function watched(): () => number {
  const write = vi.spyOn(Socket.prototype, 'write');
  return () => write.mock.calls.filter(([bytes]) => (bytes as unknown) === piece).length;
}

it('gives a body as it lies, as fast as the server takes it', async () => {
  const given = watched();
  let left = body.length * piece.length;
  const client = await clientOf((socket, bytes) => {
    const head = bytes.startsWith('POST') ? bytes.indexOf('\r\n\r\n') + 4 : 0;
    left -= bytes.length - head;
    if (head > 0) socket.pause();
    if (left === 0) socket.write(ok());
  });
  const asked = client.ask('/', { method: 'POST', body });
  for (let before = -1; before < given() || given() === 0; await setTimeout(100)) before = given();
  expect(given()).toBeLessThan(body.length);
  sockets[0]?.resume();
  await asked;
  expect([given(), left]).toEqual([body.length, 0]);
});

it.each([200, 413])(
  'takes an answer of %i that comes before the request is sent, and sends no more of it',
  async (status) => {
    const given = watched();
    const client = await clientOf((socket, _, connection) => {
      if (connection > 1) return socket.write(ok());
      socket.pause();
      return socket.write(ok().replace('200', String(status)));
    });
    const [first] = await Promise.allSettled([client.ask('/', { method: 'POST', body })]);
    expect(first.status === 'fulfilled' ? first.value.status : String(first.reason)).toEqual(
      status === 200 ? 200 : expect.stringContaining('is answered with 413'),
    );
    await client.ask('/');
    expect(given()).toBeLessThan(body.length);
    expect(sockets).toHaveLength(2);
  },
);
