import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface ServerProcess {
  readonly pid: number;
  /** Ends the process (SIGTERM, SIGKILL after `graceMs`) and waits until it is gone. */
  stop(graceMs?: number): Promise<void>;
}

export interface ServerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly options?: SpawnOptions;
  /** Asked every 50 ms until true. */
  readonly ready: (output: string) => boolean | Promise<boolean>;
  readonly readyTimeoutMs: number;
}

/**
 * How much of a server's output is looked at for its word that it is ready. Kafka says much more right after that word, and a
 * look every 50 ms on a busy machine comes late.
 */
const outputCharsMax = 2_000_000;

/** Starts a server process and waits until it is ready; it never outlives this process's normal end. */
export async function startProcess(server: ServerCommand): Promise<ServerProcess> {
  const child = spawn(server.command, [...server.args], { ...server.options, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-outputCharsMax);
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.on('error', (error) => keep(Buffer.from(error.message)));
  const onExit = (): void => void child.kill('SIGKILL');
  process.once('exit', onExit);
  const deadline = Date.now() + server.readyTimeoutMs;
  while (!(await server.ready(output))) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined || Date.now() > deadline) {
      child.kill('SIGKILL');
      process.off('exit', onExit);
      throw new Error(`${server.command} did not start:\n${output.slice(-4_000)}`);
    }
    await sleep(50);
  }
  // Nobody reads on, but the pipes have to be emptied.
  for (const stream of [child.stdout, child.stderr]) stream?.off('data', keep).resume();
  return {
    pid: child.pid ?? 0,
    stop: async (graceMs = 5_000) => {
      process.off('exit', onExit);
      await end(child, graceMs);
    },
  };
}

async function end(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await gone;
  clearTimeout(killer);
}

/** True when something on 127.0.0.1 accepts connections at `port`. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1_000 });
    const answer = (value: boolean) => (): void => {
      socket.destroy();
      resolve(value);
    };
    socket.once('connect', answer(true));
    socket.once('error', answer(false));
    socket.once('timeout', answer(false));
  });
}
