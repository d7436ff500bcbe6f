import { python } from './paths.js';
import { run } from './processes.js';

/** Runs a Python program and gives the JSON it printed. @throws with its stderr when it fails */
export async function runPython<T>(program: string, args: readonly string[] = []): Promise<T> {
  const { code, stdout, stderr } = await run(python, ['-c', program, ...args], { timeoutMs: 60_000 });
  if (code !== 0) throw new Error(`python ended with ${code}: ${stderr.slice(-2000)}`);
  return JSON.parse(stdout) as T;
}
