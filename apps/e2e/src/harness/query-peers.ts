import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { type DicomDataset, parseFile } from '@callosum/dicom';
import { accepts, freePort, type ServerProcess, startProcess } from '@callosum/testing';

import type { Callosum } from './callosum.js';
import { newFolder } from './paths.js';
import { type Finished, run } from './processes.js';

// DCMTK's Query/Retrieve tools, as a workstation would use them.

type Node = Pick<Callosum, 'dimsePort'>;
/** By keyword; '' for those that are only asked for. */
export type Keys = Readonly<Record<string, string>>;
export type Model = 'patient' | 'study';

/** The title they all call under. */
export const workstation = 'E2E';
const env = { TCP_NODELAY: '1' };

function ask(
  tool: string,
  { dimsePort }: Node,
  model: Model,
  keys: Keys,
  options: readonly string[],
): Promise<Finished> {
  const asked = Object.entries(keys).flatMap(([key, value]) => ['-k', value === '' ? key : `${key}=${value}`]);
  const titles = ['-aet', workstation, '-aec', 'CALLOSUM'];
  const args = [model === 'study' ? '-S' : '-P', ...titles, ...options, ...asked, '127.0.0.1', String(dimsePort)];
  return run(tool, args, { env, timeoutMs: 120_000 });
}

/** C-FIND. @returns the identifiers of its answers @throws when it does not end with success */
export async function findscu(node: Node, model: Model, keys: Keys): Promise<DicomDataset[]> {
  const folder = newFolder('found');
  const { code, stdout, stderr } = await ask('findscu', node, model, keys, ['-v', '-X', '-od', folder]);
  const said = `${stdout}${stderr}`;
  if (code !== 0 || !/Received Final Find Response \(Success\)/.test(said))
    throw new Error(`findscu ended with ${code}: ${said.slice(-2000)}`);
  return filesIn(folder).map((path) => parseFile(readFileSync(path)).dataset);
}

/** C-FIND of which the answers are only counted; `cancel` after so many of them. */
export async function countscu(node: Node, keys: Keys, cancel?: number): Promise<{ pending: number; said: string }> {
  const options = ['-v', ...(cancel === undefined ? [] : ['--cancel', String(cancel)])];
  const { stdout, stderr } = await ask('findscu', node, 'study', keys, options);
  const said = `${stdout}${stderr}`;
  return { pending: said.match(/Find Response: \d+ \(Pending/g)?.length ?? 0, said };
}

/** C-MOVE. @returns what movescu said, which ends with the final status */
export async function movescu(node: Node, model: Model, destination: string, keys: Keys): Promise<string> {
  const { stdout, stderr } = await ask('movescu', node, model, keys, ['-d', '-aem', destination]);
  return `${stdout}${stderr}`;
}

/** C-GET into a new folder. */
export async function getscu(node: Node, model: Model, keys: Keys): Promise<{ folder: string; said: string }> {
  const folder = newFolder('got');
  const { stdout, stderr } = await ask('getscu', node, model, keys, ['-d', '+B', '-od', folder]);
  return { folder, said: `${stdout}${stderr}` };
}

export interface Storescp {
  readonly port: number;
  readonly folder: string;
  stop(): Promise<void>;
}

/** A destination that keeps what comes as files. */
export async function startStorescp(title: string, ...options: readonly string[]): Promise<Storescp> {
  const port = await freePort();
  const folder = newFolder(title.toLowerCase());
  const server: ServerProcess = await startProcess({
    command: 'storescp',
    args: ['-aet', title, '-od', folder, ...options, String(port)],
    options: { env: { ...process.env, ...env } },
    ready: () => accepts(port),
    readyTimeoutMs: 20_000,
  });
  return { port, folder, stop: () => server.stop() };
}

export const filesIn = (folder: string): string[] =>
  readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));
