import { execFile, spawn } from 'node:child_process';

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end. Never rejects: the exit code is the caller's to judge. */
export function run(
  command: string,
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string; timeoutMs?: number } = {},
): Promise<Finished> {
  return new Promise((resolve) => {
    execFile(
      command,
      [...args],
      {
        env: { ...process.env, ...options.env },
        ...(options.cwd ? { cwd: options.cwd } : {}),
        timeout: options.timeoutMs ?? 240_000,
        maxBuffer: 64 * 1024 * 1024,
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : null;
        resolve({ code, stdout, stderr });
      },
    );
  });
}

export interface Group {
  readonly pid: number;
  readonly exited: Promise<number | null>;
  /** SIGKILL to the process and everything it started. */
  kill(): void;
  /** SIGTERM to the process alone: it ends what it started, in its own order. */
  terminate(): void;
}

/** Starts a program as leader of a process group of its own, so that a kill reaches whatever it started. */
export function startGroup(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
  log: number,
): Group {
  const child = spawn(command, [...args], { env, cwd, detached: true, stdio: ['ignore', log, log] });
  const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  const pid = child.pid ?? 0;
  const signal = (to: number, name: NodeJS.Signals): void => {
    try {
      process.kill(to, name);
    } catch {
      // Already gone.
    }
  };
  return { pid, exited, kill: () => signal(-pid, 'SIGKILL'), terminate: () => signal(pid, 'SIGTERM') };
}
