import { mkdirSync } from 'node:fs';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

import { accepts, freePort, startProcess } from '@callosum/testing';

import { noDelayEnv, type Receiver } from '../receiver.js';

/**
 * What somebody would choose for speed: a process for each association (by itself storescp takes one association after the
 * other), bytes written as they come, the longest PDU it knows. It flushes nothing: what it answered for is in memory.
 */
export const storescpOptions = ['--fork', '--bit-preserving', '--disable-host-lookup', '--max-pdu', '131072'];

/** @param dir a folder of its own, removed at the end */
export async function startStorescp(dir: string): Promise<Receiver> {
  mkdirSync(dir, { recursive: true });
  const [port, aet] = [await freePort(), 'STORESCP'];
  const child = await startProcess({
    command: 'storescp',
    args: [...storescpOptions, '--aetitle', aet, '--output-directory', dir, String(port)],
    options: { env: noDelayEnv() },
    ready: () => accepts(port),
    readyTimeoutMs: 20_000,
  });
  return {
    port,
    aet,
    processes: { storescp: child.pid },
    stored: async (bytesMin) => {
      const sizes = await Promise.all((await readdir(dir)).map(async (name) => (await stat(join(dir, name))).size));
      return sizes.filter((size) => size >= bytesMin).length;
    },
    stop: async () => {
      await child.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
