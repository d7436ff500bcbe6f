import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { askInTurn } from './in-turn.js';
import type { Receiver } from './receiver.js';

let runs: string;
let servers: Server[] = [];
beforeEach(() => {
  runs = mkdtempSync(join(tmpdir(), 'callosum-in-turn-'));
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  servers = [];
  rmSync(runs, { recursive: true, force: true });
});

/** What gives one answer after the other, and the last again and again. */
async function receiverOf(name: Receiver['name'], ...answers: readonly string[]): Promise<Receiver> {
  let asked = 0;
  const server = createServer((_, response) => response.end(answers[Math.min(asked++, answers.length - 1)]));
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const nothing = (): Promise<void> => Promise.resolve();
  const base = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  return { name, base, processes: {}, stored: () => Promise.resolve(0), settled: nothing, stop: nothing };
}

const ask = (running: readonly Receiver[]) =>
  askInTurn(
    running,
    { rounds: 2, warm: 1, places: { runs } },
    {
      what: 'a thing',
      path: '/thing',
      headers: {},
      wrong: (answer) => (answer.length > 3 ? undefined : 'too short'),
    },
  );

it('times what it has looked at, and a bare server beside it', async () => {
  const { ms, byteCount } = await ask([await receiverOf('node', 'whole'), await receiverOf('orthanc', 'whole, too')]);
  expect(Object.fromEntries(byteCount ?? [])).toEqual({ node: 5, orthanc: 10, bare: 5 });
  expect([...ms].map(([name, times]) => [name, times.length])).toEqual([
    ['node', 2],
    ['orthanc', 2],
    ['bare', 2],
  ]);
});

it('takes no time for an answer that is wrong', async () => {
  const running = [await receiverOf('node', 'whole'), await receiverOf('orthanc', 'not')];
  await expect(ask(running)).rejects.toThrow('a thing, of orthanc: too short');
});

it.each(['part', 'longer than that'])('takes no time for an answer of another length (%s)', async (later) => {
  const running = [await receiverOf('node', 'whole'), await receiverOf('orthanc', 'whole', 'whole', later)];
  await expect(ask(running)).rejects.toThrow(
    `a thing, of orthanc: ${String(later.length)} bytes, and 5 when it was looked at`,
  );
});
