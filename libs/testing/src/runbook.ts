import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

import { MissingPrerequisite } from './missing-prerequisite.js';
import { repositoryRoot } from './tools-folder.js';

const run = promisify(execFile);

/** Version of tools/lib/peers.mjs; pg_dump must not be older than the server. */
const toolsPackage = 'embedded-postgres==18.6.3';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Commands of a page of docs/runbooks, as they stand there, run by a shell in an empty folder that looks like a checkout:
 * what people are told to type is what a drill types.
 */
export class Runbook {
  readonly #commands: readonly string[];

  private constructor(
    page: string,
    private readonly folder: string,
    private readonly tools: string,
  ) {
    const text = readFileSync(join(repositoryRoot, 'docs', 'runbooks', `${page}.md`), 'utf8');
    this.#commands = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) =>
      block.trim().split('\n'),
    );
  }

  /** Pages whose commands meet in one folder: what one writes another reads. @throws {MissingPrerequisite} */
  static async open(...pages: readonly string[]): Promise<Runbook[]> {
    const tools = await postgresTools();
    const folder = mkdtempSync(join(tmpdir(), 'callosum-runbook-'));
    for (const name of ['apps', 'node_modules']) symlinkSync(join(repositoryRoot, name), join(folder, name));
    return pages.map((page) => new Runbook(page, folder, tools));
  }

  /** Removes the folder, and with it what was dumped there. */
  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /**
   * Runs each command of the page that begins so, in the page's order.
   * @param change where a command names an example, such as a time
   * @throws when the page has no such command
   */
  async run(beginning: string, env: NodeJS.ProcessEnv, change = (command: string): string => command): Promise<Ran> {
    const commands = this.#commands.filter((command) => command.startsWith(beginning)).map(change);
    if (commands.length === 0) throw new Error(`the page has no command "${beginning} …"`);
    const path = [this.tools, process.env['PATH']].join(delimiter);
    const options = {
      cwd: this.folder,
      env: { ...process.env, ...env, PATH: path },
      timeout: 240_000,
      maxBuffer: 1 << 26,
    };
    const all = { code: 0, stdout: '', stderr: '' };
    for (const command of commands) {
      const ran = await run('sh', ['-c', command], options).then(
        ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
        (error: Ran) => ({
          code: typeof error.code === 'number' ? error.code : 1,
          stdout: error.stdout,
          stderr: error.stderr,
        }),
      );
      all.stdout += ran.stdout;
      all.stderr += ran.stderr;
      all.code ||= ran.code;
    }
    return all;
  }
}

/** Folder of psql, pg_dump and pg_restore of the embedded server's major version: its npm package has the server alone. */
async function postgresTools(): Promise<string> {
  const python = process.env['CALLOSUM_TEST_PYTHON'] ?? join(repositoryRoot, '.tools', 'python', 'bin', 'python');
  const found = 'import importlib.util as u; print(u.find_spec("embedded_postgres").submodule_search_locations[0])';
  try {
    const tools = join((await run(python, ['-c', found])).stdout.trim(), 'pginstall', 'bin');
    await run(join(tools, 'pg_dump'), ['--version']);
    return tools;
  } catch (cause) {
    throw new MissingPrerequisite(
      'pg_dump, pg_restore and psql of PostgreSQL 18 are not there',
      `pip install ${toolsPackage} in the Python of CALLOSUM_TEST_PYTHON (npm test does)`,
      { cause },
    );
  }
}
