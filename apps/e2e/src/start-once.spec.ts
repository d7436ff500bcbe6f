import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { freePort } from '@callosum/testing';
import { describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { fhirGet } from './harness/fhir.js';
import { newFolder, root, testData } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';
import { instancesOf, smallPhantom, writeStudy } from './harness/studies.js';

interface Published {
  readonly studyInstanceUid: string;
  readonly patient: string;
  readonly imagingStudy: string;
  readonly diagnosticReport: string;
  readonly observations: readonly string[];
  readonly seg: string;
  readonly sr: string;
  readonly elapsedMs: number;
}

interface Ended extends Finished {
  readonly last: string;
  readonly dataDir: string;
}

/** `npm start` as a person types it, with ports and a data folder of its own. */
async function start(options: readonly string[], dataDir = newFolder('start')): Promise<Ended> {
  const ended = await run(process.execPath, ['tools/start.mjs', ...options], {
    cwd: root,
    timeoutMs: 280_000,
    env: {
      CALLOSUM_DATA_DIR: dataDir,
      CALLOSUM_HTTP_PORT: String(await freePort()),
      CALLOSUM_DIMSE_PORT: String(await freePort()),
      CALLOSUM_GRPC_PORT: String(await freePort()),
      CALLOSUM_QUIET_PERIOD_MS: '2000',
    },
  });
  return { ...ended, dataDir, last: ended.stdout.trimEnd().split('\n').at(-1) ?? '' };
}

/** Reads the last line of stdout, checks its shape and gives it. */
function published({ code, stderr, stdout, last }: Ended): Published {
  expect(code, stdout.slice(-2000) + stderr.slice(-2000)).toBe(0);
  const line = JSON.parse(last) as Published;
  expect(Object.keys(line).sort()).toEqual(
    [
      'studyInstanceUid',
      'patient',
      'imagingStudy',
      'diagnosticReport',
      'observations',
      'seg',
      'sr',
      'elapsedMs',
    ].sort(),
  );
  expect(line.studyInstanceUid).toMatch(/^[\d.]{1,64}$/);
  expect(line.patient).toMatch(/^Patient\/./);
  expect(line.imagingStudy).toMatch(/^ImagingStudy\/./);
  expect(line.diagnosticReport).toMatch(/^DiagnosticReport\/./);
  expect(line.observations.length).toBeGreaterThan(0);
  for (const reference of line.observations) expect(reference).toMatch(/^Observation\/./);
  expect(line.seg).toMatch(/^2\.25\.\d+$/);
  expect(line.sr).toMatch(/^2\.25\.\d+$/);
  expect(line.elapsedMs).toBeGreaterThan(0);
  return line;
}

describe('npm start -- --once', () => {
  it('takes the phantom to its report, chooses the axial series, and tells where everything is', async () => {
    const ended = await start(['--once']);
    const line = published(ended);
    for (const stage of ['association', 'stored', 'complete', 'identity', 'job scheduled', 'model', 'published']) {
      expect(ended.stdout).toMatch(new RegExp(`\\d s +${stage} `));
    }
    expect(ended.stdout).toContain(`StudyInstanceUIDs=${line.studyInstanceUid}`);
    expect(ended.stdout).toContain(line.diagnosticReport);
    await resolves(ended.dataDir, line);
  });

  it('takes a real CT to its report', async (context) => {
    const folder = testData('studies', 'ct-chest');
    if (!folder) return context.skip('the real CT is not here: set CALLOSUM_TEST_DATA');
    const line = published(await start(['--study', folder, '--once']));
    const text = readFileSync(join(folder, '1-001.dcm')).toString('latin1');
    expect(text).toContain(line.studyInstanceUid);
  });

  it('ends with the report there is when the study was sent before, links to its files too', async () => {
    const files = writeStudy(smallPhantom({ uidSalt: 'again' }));
    const links = newFolder('links');
    mkdirSync(links, { recursive: true });
    for (const name of readdirSync(files)) symlinkSync(join(files, name), join(links, name));
    symlinkSync(join(files, 'gone'), join(links, 'gone.dcm'));
    const first = await start(['--study', files, '--once']);
    const again = await start(['--study', links, '--once'], first.dataDir);
    const { elapsedMs: _, ...line } = published(again);
    expect(published(first)).toMatchObject(line);
    expect(again.stdout).toMatch(/\d s +already there /);
    expect(again.stderr).toContain(`not sent: ${join(links, 'gone.dcm')}: it is a symbolic link to nothing`);
  });

  it('ends with the reason when the report is not there in time', async () => {
    const { code, stdout, stderr } = await start(['--once', '--timeout', '1']);
    expect(code).toBe(1);
    expect(stderr).toContain('not within 1 s');
    expect(stderr).toMatch(/\d+ of 117 instances were acknowledged, and it got as far as/);
    expect(stdout).not.toContain('"diagnosticReport"');
  });

  it('ends when no model reads any series, with the reason per model and series', async () => {
    const { instances, axialSeriesUid, localizerSeriesUid, coronalSeriesUid } = smallPhantom({ uidSalt: 'unread' });
    const unread = instances.filter(({ seriesInstanceUid }) => seriesInstanceUid !== axialSeriesUid);
    const begin = Date.now();
    const { code, stdout, stderr } = await start(['--study', writeStudy({ instances: unread }), '--once']);
    expect(code, stdout.slice(-2000) + stderr.slice(-2000)).toBe(1);
    expect(Date.now() - begin).toBeLessThan(120_000);
    expect(stderr).toContain('no model reads any of its series');
    const line = (series: string): string => stderr.split('\n').find((one) => one.includes(series)) ?? '';
    expect(line(`does not read series ${localizerSeriesUid}`)).toMatch(/lung-ct \S+ .*: .*localizer-image-type/);
    expect(line(`does not read series ${coronalSeriesUid}`)).toMatch(/: .*orientation/);
    expect(stdout).toMatch(/\d s +complete /);
    expect(stdout).not.toContain('"diagnosticReport"');
  });

  it('ends when no model has registered and no worker was started', async () => {
    const { code, stderr } = await start(['--study', writeStudy(smallPhantom()), '--once', '--no-workers']);
    expect(code).toBe(1);
    expect(stderr).toContain('no model has registered');
  });

  it('does not understand what it does not know', async () => {
    const { code, stderr } = await start(['--onse']);
    expect(code).toBe(2);
    expect(stderr).toContain('usage: npm start');
  });
});

/** The system has ended: it is started again on the same data, and asked from outside. */
async function resolves(dataDir: string, line: Published): Promise<void> {
  const system = await Callosum.start('start-once', { dataDir, worker: false });
  try {
    for (const reference of [line.patient, line.imagingStudy, line.diagnosticReport, ...line.observations]) {
      const resource = await fhirGet(system.httpUrl, reference);
      expect(`${resource.resourceType}/${resource.id}`).toBe(reference);
    }
    const report = await fhirGet(system.httpUrl, line.diagnosticReport);
    expect(report['subject']).toEqual({ reference: line.patient });
    expect(report['imagingStudy']).toEqual([expect.objectContaining({ reference: line.imagingStudy })]);
    expect((report['result'] as { reference: string }[]).map(({ reference }) => reference).sort()).toEqual(
      [...line.observations].sort(),
    );
    const instances = await instancesOf(system.httpUrl, line.studyInstanceUid);
    const modalityOf = new Map(instances.map(({ sopInstanceUid, modality }) => [sopInstanceUid, modality]));
    expect([modalityOf.get(line.seg), modalityOf.get(line.sr)]).toEqual(['SEG', 'SR']);

    // The axial series has the most slices; the localizer and the thick reconstruction must not be chosen.
    const answer = await fetch(`${system.httpUrl}/api/inference/jobs?study=${line.studyInstanceUid}`);
    const { jobs } = (await answer.json()) as { jobs: { seriesInstanceUid: string; slices: number }[] };
    expect(jobs).toHaveLength(1);
    const ct = instances.filter(({ modality }) => modality === 'CT');
    const series = [...new Set(ct.map(({ seriesInstanceUid }) => seriesInstanceUid))];
    expect(series).toHaveLength(3);
    const size = (uid: string): number => ct.filter(({ seriesInstanceUid }) => seriesInstanceUid === uid).length;
    const [largest] = series.sort((a, b) => size(b) - size(a));
    expect(jobs[0]?.seriesInstanceUid).toBe(largest);
  } finally {
    await system.stop();
  }
}
