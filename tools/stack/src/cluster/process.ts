import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../..', import.meta.url));
const exitWithParent = new URL('../../../lib/exit-with-parent.mjs', import.meta.url).href;

/** Longer than a drain takes: accepted associations finish, then the database writes its checkpoint. */
const drainMs = 30_000;

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** Resolves when it ended, asked or not. */
  readonly exited: Promise<number | null>;
  readonly running: () => boolean;
  /** The last lines it logged, for an error message. */
  logTail(): string;
  /** SIGTERM, and SIGKILL when it has not drained in time. */
  stop(): Promise<void>;
  /** Sends a signal at once: SIGKILL, SIGSTOP, SIGCONT. */
  signal(name: NodeJS.Signals): void;
}

export interface ChildOptions {
  /** Modules to load before the program (`node --import`), as URLs. */
  readonly preload?: readonly string[];
  /** Of the build whose program it is; this workspace unless said otherwise. */
  readonly root?: string;
}

/** Starts a Node program of the workspace that ends when this process does; its output goes to `logPath`. */
export function startChild(
  name: string,
  script: string,
  env: NodeJS.ProcessEnv,
  logPath: string,
  { preload = [], root: built = root }: ChildOptions = {},
): Child {
  // For its owner only: libraries' lines may hold more than ours do.
  const log = openSync(logPath, 'a', 0o600);
  const logStart = fstatSync(log).size;
  const imports = [exitWithParent, ...preload].flatMap((module) => ['--import', module]);
  const child: ChildProcess = spawn(process.execPath, ['--enable-source-maps', ...imports, join(built, script)], {
    cwd: built,
    env,
    // A group of its own: Ctrl-C reaches this process, which then stops its children in order.
    detached: true,
    stdio: ['pipe', log, log],
  });
  closeSync(log);
  let ended = false;
  const exited = new Promise<number | null>((resolve) => {
    child.once('exit', (code) => {
      ended = true;
      resolve(code);
    });
    child.once('error', () => {
      ended = true;
      resolve(null);
    });
  });
  return {
    name,
    pid: child.pid ?? 0,
    exited,
    running: () => !ended,
    logTail: () => tailOf(readFileSync(logPath).subarray(logStart).toString('utf8')),
    signal: (signal) => void child.kill(signal),
    stop: async () => {
      if (ended) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), drainMs);
      await exited;
      clearTimeout(timer);
    },
  };
}

/** What a process said to people before it ended, without the log's own lines; those when it said nothing. */
function tailOf(text: string): string {
  const lines = text.trimEnd().split('\n');
  const spoken = lines.filter((line) => !line.startsWith('{') && line.trim() !== '');
  return (spoken.length > 0 ? spoken : lines).slice(-3).join('\n');
}
