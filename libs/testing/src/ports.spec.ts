import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';

import { freePort } from './ports.js';

const many = (count: number): Promise<number[]> => Promise.all(Array.from({ length: count }, () => freePort()));

afterEach(() => void vi.restoreAllMocks());

it('gives many at once, none twice, each below what the system gives out', async () => {
  const ports = await many(100);
  expect(new Set(ports).size).toBe(ports.length);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

it('gives none that another process was given, until that is killed', async () => {
  // Both look from the same place on, so that they do meet.
  const script = `
    Math.random = () => 0.5;
    const { freePort } = await import(${JSON.stringify(new URL('./ports.ts', import.meta.url).href)});
    const ports = [];
    for (let n = 0; n < 50; n++) ports.push(await freePort());
    console.log(JSON.stringify(ports));
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  while (!text.includes('\n')) await once(child.stdout, 'data');
  const theirs = JSON.parse(text) as number[];
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
  const [ours = 0] = await many(1);
  expect(theirs).not.toContain(ours);
  expect(ours).toBeGreaterThan(Math.max(...theirs));

  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(theirs).toContain(await freePort());
}, 60_000);

it('passes over one that somebody listens on', async () => {
  const [port = 0] = await many(1);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  expect(await many(100)).not.toContain(port);
  server.close();
});
