import { get, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { buffer } from 'node:stream/consumers';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { HttpClient } from './http-client.js';

/** The same numbers each time. */
function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const line = (text: string): Buffer => Buffer.from(`${text}\r\n`, 'latin1');

/** Some answer, as it lies on the wire. */
function wireOf(random: (below: number) => number): Buffer {
  const body = Buffer.from(Array.from({ length: random(4) * random(3_000) }, () => random(256)));
  const words = ['a', 'Some-Thing', 'x, y', '"q"', 'caf\u00e9', ''];
  const word = (): string => words[random(words.length)] ?? '';
  const head = [line(`HTTP/1.1 200 ${word()}`)];
  for (let n = random(5); n > 0; n--) head.push(line(`X-${n}:${' '.repeat(random(3))}${word()}`));
  if (random(4) === 0) head.unshift(line('HTTP/1.1 103 Early Hints'), line('Link: </x>'), line(''));
  if (random(6) === 0) head.push(line('connection: close'));
  if (random(3) === 0) return Buffer.concat([...head, line(`Content-Length: ${body.length}`), line(''), body]);
  head.push(line('Transfer-Encoding: chunked'), line(''));
  for (let from = 0; from < body.length;) {
    const bytes = body.subarray(from, from + 1 + random(800));
    const size = bytes.length.toString(16).padStart(1 + random(4), '0');
    const extension = random(3) === 0 ? `;x="${word().replaceAll('"', '')}"` : '';
    head.push(line((random(2) ? size.toUpperCase() : size) + extension), bytes, line(''));
    from += bytes.length;
  }
  head.push(line('0'));
  for (let n = random(3); n > 0; n--) head.push(line(`Trailer-${n}: ${word()}`));
  return Buffer.concat([...head, line('')]);
}

let server: Server;
let base: string;

beforeAll(async () => {
  server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (request) => {
      const seed = Number(/^GET \/(\d+) /.exec(request.toString('latin1'))?.[1]);
      const random = seeded(seed + 1_000);
      const wire = wireOf(seeded(seed));
      const send = (from: number): void => {
        const end = from + 1 + random(random(2) ? 40 : 2_000);
        socket.write(wire.subarray(from, end));
        if (end < wire.length) setImmediate(send, end);
        else if (wire.includes('connection: close\r\n')) socket.end();
      };
      send(0);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise<void>((resolve) => void server.close(() => resolve())));

const askNode = (url: string): Promise<{ headers: IncomingHttpHeaders; body: Buffer }> =>
  new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      buffer(response).then((body) => resolve({ headers: response.headers, body }), reject);
    }).once('error', reject);
  });

it("reads of a server's answers what Node's client reads", async () => {
  const client = new HttpClient(base, 2);
  for (let seed = 0; seed < 300; seed++) {
    const [{ headers, body, byteCount }, counted, wanted] = await Promise.all([
      client.ask(`/${seed}`, { keep: true }),
      client.ask(`/${seed}`),
      askNode(`${base}/${seed}`),
    ]);
    expect({ seed, headers, body: body?.toString('hex') }).toEqual({
      seed,
      ...wanted,
      body: wanted.body.toString('hex'),
    });
    expect([byteCount, counted.byteCount, counted.body]).toEqual([wanted.body.length, wanted.body.length, undefined]);
  }
  client.close();
});
