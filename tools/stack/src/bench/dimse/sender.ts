import { type ChildProcess, execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';

import { benchAet, noDelayEnv } from './receiver.js';
import type { SenderTask, SenderWord, SendOrder } from './sender-main.js';

const run = promisify(execFile);

export const senderNames = ['scu', 'storescu'] as const;
export type SenderName = (typeof senderNames)[number];

/** As the output names them. */
export const senderText: Readonly<Record<SenderName, string>> = {
  scu: `our own SCU in up to ${availableParallelism()} processes that hold the objects in memory and are there before`,
  storescu: 'DCMTK storescu, a process for each association, its start included',
};

/** Sends the same objects to whom it is told, as often as it is told. */
export interface Sender {
  /** Processes whose time is the sender's. Those of storescu have ended when their time could be asked for. */
  readonly processes: Readonly<Record<string, number>>;
  /** @returns seconds from the word to go to the last answer. @throws when an object was not stored */
  send(order: SendOrder): Promise<number>;
  stop(): Promise<void>;
}

/** @param folders one association each */
export async function startSender(name: SenderName, folders: readonly string[], inMemory = true): Promise<Sender> {
  return name === 'scu' ? ownSender(folders, inMemory) : storescu(folders);
}

async function ownSender(folders: readonly string[], inMemory: boolean): Promise<Sender> {
  const count = Math.min(folders.length, availableParallelism());
  const tasks = Array.from({ length: count }, (_, i): SenderTask => {
    return { folders: folders.filter((_folder, n) => n % count === i), inMemory };
  });
  const children: ChildProcess[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(ended));
  };
  try {
    const ready = tasks.map((task) => {
      const child = fork(new URL('./sender-main.js', import.meta.url), [JSON.stringify(task)]);
      children.push(child);
      return wordOf(child);
    });
    await Promise.all(ready);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    processes: Object.fromEntries(children.map(({ pid = 0 }, i) => [`sender ${i + 1}`, pid])),
    send: async (order) => {
      const started = performance.now();
      const words = await Promise.all(
        children.map((child) => {
          const word = wordOf(child);
          child.send(order);
          return word;
        }),
      );
      const seconds = (performance.now() - started) / 1000;
      for (const word of words) assertStored(word);
      return seconds;
    },
    stop,
  };
}

function assertStored(word: SenderWord): void {
  if ('ready' in word) throw new Error('the sender said that it is ready twice');
  if (word.failure !== undefined) throw new Error(`an association failed: ${word.failure}`);
  if (word.refused.length > 0)
    throw new Error(`${word.refused.length} objects were not stored: ${[...new Set(word.refused)].join(', ')}`);
}

async function wordOf(child: ChildProcess): Promise<SenderWord> {
  // A sender is asked in every round: what listened for one answer must not stay.
  const over = new AbortController();
  const { signal } = over;
  const gone = once(child, 'exit', { signal }).then(([code]) => Promise.reject(new Error(`a sender ended (${code})`)));
  gone.catch(() => undefined);
  try {
    const [word] = (await Promise.race([once(child, 'message', { signal }), gone])) as [SenderWord];
    return word;
  } finally {
    over.abort();
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  if (child.connected) child.disconnect();
  await gone;
}

function storescu(folders: readonly string[]): Promise<Sender> {
  const send = async ({ port, calledAet }: SendOrder): Promise<number> => {
    const started = performance.now();
    await Promise.all(
      folders.map((folder) =>
        run(
          'storescu',
          [
            ...['-aet', benchAet, '-aec', calledAet, '--required', '--propose-little', '--max-send-pdu', '131072'],
            ...['+sd', '127.0.0.1', String(port), folder],
          ],
          { env: noDelayEnv() },
        ),
      ),
    );
    return (performance.now() - started) / 1000;
  };
  return Promise.resolve({ processes: {}, send, stop: () => Promise.resolve() });
}
