import { setTimeout as sleep } from 'node:timers/promises';

import type { Child } from './process.js';

/** First start initialises a database; crash recovery can take as long. */
const readyMs = 180_000;

/** Waits until `url` answers 200 and `also` holds. @throws with the child's last log lines when it ends first or time runs out */
export async function waitReady(url: string, child: Child, also: () => boolean = () => true): Promise<void> {
  const deadline = Date.now() + readyMs;
  for (;;) {
    if (!child.running()) throw new Error(`${child.name} ended while starting:\n${child.logTail()}`);
    const good = await fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.ok;
      },
      () => false,
    );
    if (good && also()) return;
    if (Date.now() > deadline)
      throw new Error(`${child.name} was not ready in ${readyMs / 1000} s:\n${child.logTail()}`);
    await sleep(100);
  }
}

/** Rejects as soon as one of the children ends by itself. */
export function watchChildren(children: readonly Child[], stopping: () => boolean): Promise<never> {
  return new Promise((_resolve, reject) => {
    for (const child of children) {
      void child.exited.then((code) => {
        if (!stopping()) reject(new Error(`${child.name} ended (${code ?? 'killed'}):\n${child.logTail()}`));
      });
    }
  });
}
