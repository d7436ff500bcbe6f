import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { type DicomJson, textAt } from './harness/dicomweb.js';
import { filesOf, uidsOf } from './harness/equal.js';
import { judge } from './harness/judge.js';
import { newFolder, python, root, testData } from './harness/paths.js';
import { run } from './harness/processes.js';
import { smallPhantom, writeStudy } from './harness/studies.js';
import { readWadl, type WadlMethod } from './harness/wadl.js';

/** What peers/dicomweb_client_calls.py prints. */
interface Calls {
  readonly methods: readonly string[];
  readonly cases: Readonly<Record<string, string>>;
}

/** Slices, and what was read of them: small enough that every call is made on all of it. */
const slices = 6;

describe('dicomweb-client, of Python', () => {
  let system: Callosum;
  let calls: Calls;
  const folder = studyFolder();

  beforeAll(async () => {
    system = await Callosum.start('dicomweb-client', { worker: false });
    const script = join(root, 'apps/e2e/peers/dicomweb_client_calls.py');
    const { code, stdout, stderr } = await run(python, [script, `${system.httpUrl}/dicom-web`, folder]);
    expect(code, stderr.slice(-2_000)).toBe(0);
    calls = JSON.parse(stdout) as Calls;
  });
  afterAll(() => system.stop());

  it('has no call that is not made', () => {
    expect(calls.methods.length).toBeGreaterThan(20);
    expect(Object.keys(calls.cases).sort()).toEqual([...calls.methods].sort());
  });

  it('gets what it asks for, by every call it has', () => {
    expect(Object.entries(calls.cases).filter(([, result]) => result !== 'ok')).toEqual([]);
  });

  it('as a command line stores, finds and retrieves', async () => {
    const cli = async (...args: readonly string[]): Promise<string> => {
      const program = 'from dicomweb_client.cli import _main; _main()';
      const { code, stdout, stderr } = await run(python, [
        '-c',
        program,
        '--url',
        `${system.httpUrl}/dicom-web`,
        ...args,
      ]);
      expect(code, stderr.slice(-2_000)).toBe(0);
      return stdout;
    };
    const files = filesOf(folder);
    const { study } = uidsOf(readFileSync(files[0] ?? ''));
    await cli('store', 'instances', ...files);
    const found = JSON.parse(await cli('search', 'studies', '--filter', `StudyInstanceUID=${study}`)) as DicomJson[];
    expect(found.map((one) => textAt(one, '0020000D'))).toEqual([study]);
    const metadata = JSON.parse(await cli('retrieve', 'studies', '--study', study, 'metadata')) as DicomJson[];
    expect(metadata).toHaveLength(files.length);
    const got = newFolder('dicomweb-cli');
    await cli('retrieve', 'studies', '--study', study, 'full', '--save', '--output-dir', got);
    expect(await judge('files', folder, got)).toMatchObject({ instances: files.length, differences: [] });
  });

  describe('and any client that asks what can be asked', () => {
    const options = (path: string, accept = '*/*'): Promise<Response> =>
      fetch(`${system.httpUrl}/dicom-web${path}`, { method: 'OPTIONS', headers: { accept } });

    it('is told of every resource, and gets what it is told', async () => {
      const answer = await options('');
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'application/vnd.sun.wadl+xml']);
      const { base, methods } = await readWadl(await answer.text());
      expect(base).toBe(`${system.httpUrl}/dicom-web`);
      expect(methods.length).toBeGreaterThan(15);
      expect(new Set(methods.map(({ id }) => id)).size).toBe(methods.length);
      const { study, series, instance } = uidsOf(readFileSync(filesOf(folder)[0] ?? ''));
      const values: Record<string, string> = { study, series, instance, frames: '1', path: '7FE00010' };
      const wrong: string[] = [];
      for (const { name, path, accept, statuses, good } of methods.filter(isAskedAlone)) {
        const url = `${base}/${path.replace(/\{(\w+)\}/g, (_, key: string) => values[key] ?? key)}`;
        for (const type of accept) {
          const got = await fetch(url, { headers: { accept: type } });
          const given = got.headers.get('content-type') ?? '';
          const bytes = (await got.arrayBuffer()).byteLength;
          // The first form is the default, which there always is; others may not be had of this object.
          const isRight =
            statuses.includes(got.status) &&
            (type !== accept[0] || good.includes(got.status)) &&
            (got.status !== 200 || (isSaid(given, type) && bytes > 0));
          if (!isRight) wrong.push(`${name} ${path} as ${type}: ${got.status} ${given}, ${bytes} bytes`);
        }
        const refused = await fetch(url, { headers: { accept: 'application/x-nobody-has-this' } });
        if (refused.status !== 406) wrong.push(`${name} ${path} as what nobody has: ${refused.status}`);
      }
      expect(wrong).toEqual([]);
    });

    it('is told of a resource and what lies below it, with the methods it has', async () => {
      const answer = await options('/studies/1.2.3');
      expect(answer.headers.get('allow')).toBe('GET, HEAD, OPTIONS, POST');
      const { methods } = await readWadl(await answer.text());
      expect(methods.length).toBeGreaterThan(5);
      expect(methods.filter(({ path }) => !path.startsWith('studies/{study}'))).toEqual([]);
      expect((await options('/nothing')).status).toBe(404);
      expect((await options('', 'application/json')).status).toBe(406);
    });

    it('is told which methods a resource has when it sends another', async () => {
      for (const method of ['PUT', 'PATCH', 'DELETE']) {
        const answer = await fetch(`${system.httpUrl}/dicom-web/studies`, { method });
        expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS, POST']);
      }
      const posted = await fetch(`${system.httpUrl}/dicom-web/series`, { method: 'POST', body: 'x'.repeat(1_000_000) });
      expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD, OPTIONS']);
    });
  });

  it('is served without a failure', () => {
    expect(system.logs()).not.toContain('dicomweb.failed');
  });
});

/** WADO-URI (chapter 9) is one resource, which is told by its parameters what is meant. */
const isAskedAlone = ({ name, parameters }: WadlMethod): boolean =>
  name === 'GET' && !parameters.includes('requestType');

/** Whether a content type is the one that was asked for: what else it says is of no matter here. */
function isSaid(given: string, asked: string): boolean {
  const partOf = (type: string): string | undefined => /\btype="?([^";]+)/.exec(type)?.[1];
  const bare = (type: string): string => (type.split(';', 1)[0] ?? '').trim();
  return bare(given) === bare(asked) && partOf(given) === partOf(asked);
}

/** Some slices of one study, in a new folder. */
function studyFolder(): string {
  const ct = testData('studies', 'ct-chest') ?? writeStudy(smallPhantom({ uidSalt: 'dicomweb-client' }));
  const files = filesOf(ct);
  const { study } = uidsOf(readFileSync(files[0] ?? ''));
  const folder = newFolder('dicomweb-client');
  files
    .filter((file) => uidsOf(readFileSync(file)).study === study)
    .slice(0, slices)
    .forEach((file, i) => cpSync(file, join(folder, `${i}.dcm`)));
  return folder;
}
