import { once } from 'node:events';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { tinyCt } from '@callosum/phantom';
import { MissingPrerequisite, orSkip, repositoryRoot, startPostgres } from '@callosum/testing';
import pg from 'pg';
import { afterAll, describe, expect, it } from 'vitest';

import { prepareArchive } from './test-support/open-archive.js';

const postgres = await orSkip(startPostgres);
const strace = await orSkip(async () => {
  const child = spawn('strace', ['-V'], { stdio: 'ignore' });
  const [code] = (await once(child, 'exit').catch(() => [1])) as [number];
  if (code !== 0) throw new MissingPrerequisite('strace is not installed', 'apt-get install strace (Linux only)');
  return true;
});
const folder = await mkdtemp(join(tmpdir(), 'callosum-acknowledgement-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(postgres.missing)('PostgreSQL as we start it', () => {
  it('flushes its log before it answers a commit', async () => {
    const client = new pg.Client(postgres.server?.admin);
    await client.connect();
    for (const setting of ['fsync', 'full_page_writes', 'synchronous_commit']) {
      const { rows } = await client.query<Record<string, string>>(`show ${setting}`);
      expect([setting, rows[0]?.[setting]]).toEqual([setting, 'on']);
    }
    await client.end();
  });
});

const missing = postgres.missing ?? strace.missing;
describe.skipIf(missing)(`an acknowledgement, seen from the kernel${missing ? ` (${missing})` : ''}`, () => {
  it(
    'follows write, flush of the blob, its name, flush of the folder and commit, in this order',
    { timeout: 60_000 },
    async () => {
      const database = await postgres.server?.createDatabase();
      if (!database) throw new Error('no database');
      await prepareArchive(database);
      const [file, trace, root] = [join(folder, 'ct.dcm'), join(folder, 'trace'), join(folder, 'objects')];
      const ct = tinyCt();
      await writeFile(file, ct.bytes);
      const calls =
        'write,writev,pwrite64,pwritev,sendto,sendmsg,read,readv,recvfrom,fsync,fdatasync,link,linkat,rename,renameat,renameat2';
      const register = pathToFileURL(join(repositoryRoot, 'libs/testing/loader/register.mjs')).href;
      const script = join(repositoryRoot, 'libs/platform/archive/src/test-support/store-one.ts');
      const child = spawn(
        'strace',
        ['-f', '-y', '-s', '200', '-e', `trace=${calls}`, '-o', trace, process.execPath, '--import', register, script],
        {
          env: {
            ...process.env,
            // Calls made through io_uring would not be seen.
            UV_USE_IO_URING: '0',
            ARCHIVE_DATABASE: JSON.stringify(database),
            ARCHIVE_ROOT: root,
            ARCHIVE_FILE: file,
          },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let said = '';
      child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
      const [code] = (await once(child, 'exit')) as [number];
      expect([code, said]).toEqual([0, 'ACKNOWLEDGED stored\n']);

      const lines = finished((await readFile(trace, 'utf8')).split('\n'));
      const at = (what: string, pattern: RegExp, from = 0): number => {
        const index = lines.findIndex((line, position) => position >= from && pattern.test(line));
        expect(index, `${what}: ${String(pattern)}`).toBeGreaterThanOrEqual(0);
        return index;
      };
      const blob = `${root}/default/blobs/`;
      const written = at('the blob is written', /\b(p?writev?|pwrite64)\(\d+<[^>]*\/\.staging\/[^>]*>/);
      const flushed = at('the blob is flushed', /\bf(data)?sync\(\d+<[^>]*\/\.staging\/[^>]*>\) += 0/, written);
      const named = at(
        'the blob gets its name',
        new RegExp(`\\b(link|rename)\\w*\\(.*"${blob}[^"]+".*\\) += 0`),
        flushed,
      );
      const name = /"[^"]*\/objects\/(default\/blobs\/[^"]+)\/[^"/]+"/.exec(lines[named] ?? '')?.[1] ?? 'nothing';
      const durable = at('its folder is flushed', new RegExp(`\\bfsync\\(\\d+<${root}/${name}>\\) += 0`), named);
      const inserted = at(
        'the row is sent',
        /\b(write|writev|sendto|sendmsg)\(\d+<(TCP|socket)[^>]*>.*insert into \\"intake\\"/,
      );
      const committed = at(
        'COMMIT is sent',
        /\b(write|writev|sendto|sendmsg)\(\d+<(TCP|socket)[^>]*>.*"Q\\0\\0\\0\\vcommit\\0"/,
        inserted,
      );
      const answered = at(
        'PostgreSQL answers',
        /\b(read|readv|recvfrom)\(\d+<(TCP|socket)[^>]*>.*COMMIT\\0/,
        committed,
      );
      const acknowledged = at('the sender is answered', /write\(1<[^>]*>.*ACKNOWLEDGED stored/);
      const order = [written, flushed, named, durable, inserted, committed, answered, acknowledged];
      expect(order).toEqual([...order].sort((a, b) => a - b));
      // Nothing of the blob is written after its flush.
      const late = lines.findIndex((line, index) => index > flushed && /write\w*\(\d+<[^>]*\/\.staging\//.test(line));
      expect(late).toBe(-1);
      // The folders on the way to it are flushed too: they were new.
      for (const parent of [root, `${root}/default`, `${root}/default/blobs`]) {
        expect(at(`${parent} is flushed`, new RegExp(`\\bfsync\\(\\d+<${parent}>\\) += 0`))).toBeLessThan(committed);
      }
    },
  );
});

/**
 * Calls in the order they ended: a call that another thread's interrupted ("<unfinished ...>") counts where it is
 * resumed, with the arguments it began with.
 */
function finished(lines: readonly string[]): string[] {
  const begun = new Map<string, string>();
  return lines.flatMap((line) => {
    const pid = /^\d+/.exec(line)?.[0] ?? '';
    if (line.endsWith('<unfinished ...>')) {
      begun.set(pid, line.slice(0, -'<unfinished ...>'.length).trimEnd());
      return [];
    }
    const resumed = /<\.\.\. \w+ resumed>(.*)$/.exec(line);
    return [resumed ? `${begun.get(pid) ?? ''}${resumed[1] ?? ''}` : line];
  });
}
