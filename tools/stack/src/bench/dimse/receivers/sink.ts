import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';

import type { Receiver } from '../receiver.js';
import type { SinkWord } from '../sink-main.js';

/** A receiver that throws everything away, in a process of its own. */
export interface Sink extends Receiver {
  /** How many objects it took since it began. */
  count(): Promise<number>;
}

export async function startSink(): Promise<Sink> {
  const child = fork(new URL('../sink-main.js', import.meta.url));
  const { port } = (await wordOf(child)) as { port: number };
  const count = async (): Promise<number> => {
    const word = wordOf(child);
    child.send('stored?');
    return ((await word) as { stored: number }).stored;
  };
  return {
    port,
    aet: 'SINK',
    processes: { sink: child.pid ?? 0 },
    count,
    stored: count,
    stop: async () => {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

async function wordOf(child: ChildProcess): Promise<SinkWord> {
  const [word] = (await once(child, 'message')) as [SinkWord];
  return word;
}
