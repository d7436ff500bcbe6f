import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { BareWord } from './bare-main.js';
import type { Answered } from './http-client.js';

/** A server that does nothing but send one answer. */
export interface Bare {
  /** URL without a slash at the end; it answers every path below. */
  readonly base: string;
  stop(): Promise<void>;
}

/** From sources, in tests, the process's file is TypeScript, which Node runs by stripping its types. */
const mainFile = import.meta.url.endsWith('.ts') ? './bare-main.ts' : './bare-main.js';

/**
 * Gives an answer again from one file, in a process of its own, with Node's HTTP: what the client, the connection and the disk
 * take for these bytes, sent as Node sends files: with new memory for each piece.
 * @param dir in which the file lies meanwhile
 * @param answered with its body
 */
export async function startBare(dir: string, { body, headers }: Answered): Promise<Bare> {
  const folder = mkdtempSync(join(dir, 'bare-'));
  const file = join(folder, 'answer');
  writeFileSync(file, body ?? '');
  const kept = Object.fromEntries(
    ['content-type', 'content-encoding'].flatMap((name) => (name in headers ? [[name, headers[name]]] : [])),
  );
  const child = fork(new URL(mainFile, import.meta.url), [file, JSON.stringify(kept)]);
  const [{ port }] = (await once(child, 'message')) as [BareWord];
  return {
    base: `http://127.0.0.1:${port}`,
    stop: async () => {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
