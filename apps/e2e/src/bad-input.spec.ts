import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { tinySeries } from '@callosum/phantom';
import { freePort } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { keptCount, parked } from './harness/database.js';
import { eventually, fhirSearch, imagingStudyOf } from './harness/fhir.js';
import { type NonsenseWorker, startNonsenseWorker, writeLabelMap } from './harness/nonsense-worker.js';
import { newFolder, root } from './harness/paths.js';
import { run } from './harness/processes.js';
import { instancesOf, retrieve, send, smallPhantom, storescu, writeStudy } from './harness/studies.js';
import { sendTruncated } from './harness/truncated.js';

const write = (name: string, bytes: Uint8Array): string => {
  const path = join(newFolder('object'), name);
  writeFileSync(path, bytes);
  return path;
};

const blobs = ({ dataDir }: Callosum): string[] =>
  readdirSync(join(dataDir, 'objects'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);

describe('bad input to a running system', () => {
  let system: Callosum;
  beforeAll(async () => {
    system = await Callosum.start('bad-input', { worker: false });
    const [first] = tinySeries({ slices: 1, salt: 'first' });
    expect((await storescu(system, [write('first.dcm', first?.bytes ?? new Uint8Array())])).code).toBe(0);
  });
  afterAll(() => system.stop());

  it.each([
    ['in the middle of its attributes', 0.3],
    ['in the middle of its pixels', 0.95],
  ])('refuses an object that ends %s, keeps nothing of it, and takes the next one', async (_, share) => {
    const [object] = tinySeries({ slices: 1, salt: `cut-${share}`, overrides: { Rows: 64, Columns: 64 } });
    if (!object) throw new Error('no object');
    const path = write('object.dcm', object.bytes);
    const before = blobs(system);
    const keep = Math.floor(object.bytes.length * share);

    const { status, sent, whole } = await sendTruncated(system, path, keep);
    expect(sent).toBeLessThan(whole);
    // PS3.4 section GG.4 / table B.2-1: Cxxx, cannot understand.
    expect(status === null ? 'no response' : (status & 0xf000).toString(16)).toBe('c000');
    expect(blobs(system)).toEqual(before);
    expect(await keptCount(system, object.studyInstanceUid)).toBe(0);
    expect(await instancesOf(system.httpUrl, object.studyInstanceUid)).toEqual([]);

    const next = await storescu(system, [path]);
    expect(next.code, next.stderr).toBe(0);
    expect(await keptCount(system, object.studyInstanceUid)).toBe(1);
  });

  it('rejects an association that calls another AE title, 1/1/7, and accepts the next', async () => {
    const [object] = tinySeries({ slices: 1, salt: 'wrong-aet' });
    if (!object) throw new Error('no object');
    const path = write('object.dcm', object.bytes);
    const refused = await storescu(system, [path], { calledAet: 'OTHER' });
    expect(refused.code).not.toBe(0);
    const said = refused.stdout + refused.stderr;
    expect(said).toContain('Rejected Permanent');
    expect(said).toContain('Service User');
    expect(said).toContain('Called AE Title Not Recognized');
    expect(await keptCount(system, object.studyInstanceUid)).toBe(0);
    expect((await storescu(system, [path])).code).toBe(0);
  });

  it('publishes the ImagingStudy of a study from the last day there is, of somebody born on the first', async () => {
    const overrides = {
      StudyDate: '99991231',
      StudyTime: '101500',
      PatientBirthDate: '00010101',
      PatientID: 'E2E-DATES',
    };
    const [object] = tinySeries({ slices: 1, salt: 'dates', overrides });
    if (!object) throw new Error('no object');
    expect((await storescu(system, [write('dates.dcm', object.bytes)])).code).toBe(0);
    const study = await eventually('the ImagingStudy is there', 90_000, () =>
      imagingStudyOf(system.httpUrl, object.studyInstanceUid),
    );
    expect(study['started']).toBe('9999-12-31');
    const found = await fhirSearch(system.httpUrl, 'ImagingStudy?started=9999-12-31');
    expect(found.map(({ id }) => id)).toEqual([study.id]);
    expect(await fhirSearch(system.httpUrl, 'Patient?birthdate=0001-01-01')).toHaveLength(1);
    expect(await parked(system)).toEqual([]);
  });

  it('answers a STOW-RS body that is no DICOM with a reason, and goes on', async () => {
    const answer = await stow(system.httpUrl, [Buffer.from('this is no DICOM object')]);
    expect(answer.status).toBe(409);
    const [object] = tinySeries({ slices: 1, salt: 'after-junk' });
    expect((await stow(system.httpUrl, [object?.bytes ?? new Uint8Array()])).status).toBe(200);
    expect((await fetch(`${system.httpUrl}/readyz`)).status).toBe(200);
    expect(await parked(system)).toEqual([]);
  });
});

/** Without a mount of its own a disk cannot be filled; elsewhere the setting that guards it is used. */
const mountPrefix = process.getuid?.() === 0 ? [] : ['sudo', '-n'];

describe('a full disk', () => {
  let system: Callosum;
  let objects = '';
  let mounted = false;
  const privileged = (...words: string[]): ReturnType<typeof run> => {
    const [command = '', ...args] = [...mountPrefix, ...words];
    return run(command, args);
  };
  const kept = tinySeries({ slices: 1, salt: 'kept' })[0];
  const late = tinySeries({ slices: 1, salt: 'late', overrides: { Rows: 512, Columns: 512 } })[0];

  beforeAll(async () => {
    const dataDir = newFolder('full-disk');
    objects = join(dataDir, 'objects');
    mkdirSync(objects);
    const owner = `uid=${process.getuid?.() ?? 0}`;
    mounted = (await privileged('mount', '-t', 'tmpfs', '-o', `size=4m,${owner}`, 'tmpfs', objects)).code === 0;
    if (!mounted) return;
    system = await Callosum.start('full-disk', {
      dataDir,
      worker: false,
      // Nothing but the disk itself refuses.
      env: { CALLOSUM_DISK_FREE_BYTES_MIN: '0' },
    });
  });
  afterAll(async () => {
    if (!mounted) return;
    await system.stop();
    await privileged('umount', objects);
  });

  it('refuses with A700 and 503, still reads, and takes the same objects once there is space', async (context) => {
    if (!mounted) context.skip('a small file system cannot be mounted here: run as root, or allow sudo mount');
    if (!kept || !late) throw new Error('no objects');
    expect((await storescu(system, [write('kept.dcm', kept.bytes)])).code).toBe(0);
    const filler = join(objects, 'filler');
    await run('dd', ['if=/dev/zero', `of=${filler}`, 'bs=64k']);

    const path = write('late.dcm', late.bytes);
    const refused = await storescu(system, [path]);
    expect(refused.stdout + refused.stderr).toMatch(/A700|Out ?of ?Resources/i);
    expect((await stow(system.httpUrl, [late.bytes])).status).toBe(503);
    expect(await keptCount(system, late.studyInstanceUid)).toBe(0);
    await reads(system);

    rmSync(filler);
    const accepted = await storescu(system, [path]);
    expect(accepted.code, accepted.stdout + accepted.stderr).toBe(0);
    expect(await keptCount(system, late.studyInstanceUid)).toBe(1);
    expect((await stow(system.httpUrl, [late.bytes])).status).toBe(200);
    expect(await keptCount(system, late.studyInstanceUid)).toBe(1);
  });

  it('refuses below CALLOSUM_DISK_FREE_BYTES_MIN, before the disk is full', async () => {
    if (!kept || !late) throw new Error('no objects');
    const dataDir = newFolder('low-disk');
    const roomy = await Callosum.start('low-disk', { dataDir, worker: false });
    expect((await storescu(roomy, [write('kept.dcm', kept.bytes)])).code).toBe(0);
    await roomy.stop();
    const tight = await Callosum.start('low-disk', {
      dataDir,
      worker: false,
      env: { CALLOSUM_DISK_FREE_BYTES_MIN: String(2 ** 50) },
    });
    const refused = await storescu(tight, [write('late.dcm', late.bytes)]);
    expect(refused.stdout + refused.stderr).toMatch(/A700|Out ?of ?Resources/i);
    expect((await stow(tight.httpUrl, [late.bytes])).status).toBe(503);
    await reads(tight);
    await tight.stop();
  });

  async function reads(from: Callosum): Promise<void> {
    if (!kept) throw new Error('no object');
    const [instance] = await instancesOf(from.httpUrl, kept.studyInstanceUid);
    if (!instance) throw new Error('the kept object is not listed');
    const bytes = await retrieve(from.httpUrl, kept.studyInstanceUid, instance);
    expect(Buffer.from(bytes).includes(Buffer.from(kept.sopInstanceUid))).toBe(true);
    expect((await fetch(`${from.httpUrl}/fhir/metadata`)).status).toBe(200);
  }
});

const lung = { value: '39607008', scheme: 'SCT', meaning: 'Lung' };
const volume = { value: '118565006', scheme: 'SCT', meaning: 'Volume' };
const segment = (number: number) => ({
  number,
  label: 'Lung',
  category: { value: '123037004', scheme: 'SCT', meaning: 'Anatomical Structure' },
  type: lung,
});
const measurement = (value: number, segmentNumber = 0) => ({
  measurements: [
    { id: 'volume', concept: volume, value, unit: { value: 'mL', scheme: 'UCUM', meaning: 'mL' }, segmentNumber },
  ],
});

describe('a worker that returns nonsense', () => {
  let system: Callosum;
  let refusedUploads: string[];
  let workers: Record<string, NonsenseWorker>;
  const study = smallPhantom({ uidSalt: 'nonsense', slices: 24, matrix: 64, patient: { patientId: 'E2E-NONSENSE' } });
  const uid = study.studyInstanceUid;

  beforeAll(async () => {
    system = await Callosum.start('nonsense', { worker: false, env: { CALLOSUM_JOB_ATTEMPTS_MAX: '2' } });
    const start = (modelId: string, result: Parameters<typeof startNonsenseWorker>[2]): NonsenseWorker =>
      startNonsenseWorker(`127.0.0.1:${system.grpcPort}`, modelId, result);
    refusedUploads = [];
    const refused = (upload: Promise<string>): Promise<void> =>
      upload.then(
        () => undefined,
        (error: unknown) => void refusedUploads.push(String(error)),
      );
    workers = {
      'not-a-number': start('not-a-number', () => Promise.resolve(measurement(Number.NaN))),
      'no-such-segment': start('no-such-segment', () => Promise.resolve(measurement(4711, 7))),
      'wrong-mask': start('wrong-mask', async (attempt) => {
        const { columns, rows, slices } = attempt.grid;
        const smaller = { columns: columns - 1, rows, slices };
        await refused(writeLabelMap(attempt, smaller, new Uint8Array((columns - 1) * rows * slices)));
        await refused(writeLabelMap(attempt, attempt.grid, new Uint8Array(columns * rows * slices - 5)));
        return { labelMaps: [{ ...smaller, sha256: '0'.repeat(64), segments: [segment(1)] }] };
      }),
      'undeclared-segment': start('undeclared-segment', async (attempt) => {
        const { columns, rows, slices } = attempt.grid;
        const labels = new Uint8Array(columns * rows * slices).fill(9);
        const sha256 = await writeLabelMap(attempt, attempt.grid, labels);
        return { labelMaps: [{ ...attempt.grid, sha256, segments: [segment(1)] }] };
      }),
    };
    await send(system, study);
  });
  afterAll(async () => {
    for (const one of Object.values(workers)) one.close();
    await system.stop();
  });

  it.each([
    ['not-a-number', 'measurements[0].value is no finite number'],
    ['no-such-segment', 'measurements[0].segment_number names no segment'],
    ['wrong-mask', 'label_maps[0]: not the grid of the input'],
    ['undeclared-segment', 'label_maps[0] has voxels of segments that are not declared'],
  ])('%s: is refused with the reason, and the job ends as failed', async (modelId, reason) => {
    const failed = await eventually(`the job of ${modelId} has failed`, 60_000, async () => {
      const answer = await fetch(`${system.httpUrl}/api/inference/jobs?study=${uid}`);
      const { jobs } = (await answer.json()) as { jobs: { jobId: string; modelId: string; state: string }[] };
      return jobs.find((job) => job.modelId === modelId && job.state === 'failed');
    });
    const told = workers[modelId];
    // Who asks for the job may hear of its end before the worker hears of its refusal.
    await expect.poll(() => told?.refusals).toEqual([`invalid-result: ${reason}`, `invalid-result: ${reason}`]);
    expect(told?.accepted).toEqual([]);
    const task = await eventually('its Task is failed', 30_000, async () =>
      (await fhirSearch(system.httpUrl, 'Task')).find((one) =>
        JSON.stringify(one['identifier']).includes(failed.jobId),
      ),
    );
    expect(task['status']).toBe('failed');
    expect((task['statusReason'] as { text: string }).text).toContain(reason);
  });

  it('has its masks refused where they do not fit', () => {
    expect(refusedUploads).toHaveLength(4);
    for (const error of refusedUploads) expect(error).toContain('INVALID_ARGUMENT');
  });

  it('brings nothing into the record but the failures, and the system goes on', async () => {
    const reports = await fhirSearch(system.httpUrl, 'DiagnosticReport');
    expect(new Set(reports.map((report) => report['status']))).toEqual(new Set(['cancelled']));
    expect(await fhirSearch(system.httpUrl, 'Observation')).toEqual([]);
    expect((await instancesOf(system.httpUrl, uid)).filter(({ modality }) => modality !== 'CT')).toEqual([]);
    expect(await parked(system)).toEqual([]);
    expect((await fetch(`${system.httpUrl}/healthz`)).status).toBe(200);
    expect((await fetch(`${system.httpUrl}/readyz`)).status).toBe(200);
  });
});

describe('settings that cannot be used', () => {
  const start = (env: NodeJS.ProcessEnv): ReturnType<typeof run> =>
    run(process.execPath, ['apps/all-in-one/dist/main.js'], {
      cwd: root,
      timeoutMs: 90_000,
      env: {
        CALLOSUM_DATA_DIR: newFolder('settings'),
        CALLOSUM_HTTP_PORT: '0',
        CALLOSUM_DIMSE_PORT: '0',
        CALLOSUM_GRPC_PORT: '0',
        ...env,
      },
    });

  it.each(['CALLOSUM_HTTP_HOST', 'CALLOSUM_DIMSE_HOST', 'CALLOSUM_GRPC_HOST'])(
    'does not start with %s open to other machines',
    async (setting) => {
      const { code, stderr } = await start({ [setting]: '0.0.0.0' });
      expect(code).not.toBe(0);
      expect(stderr).toContain(setting);
      expect(stderr).toContain('authentication');
    },
  );

  it.each([
    { CALLOSUM_HTTP_PORT: 'eighty-4711', CALLOSUM_LOG_LEVEL: 'loud-4711', CALLOSUM_SITE: 'Not A Site 4711' },
    { CALLOSUM_QUIET_PERIOD_MS: 'soon-4711' },
    { CALLOSUM_DIMSE_AE: 'FAR-TOO-LONG-AN-AE-TITLE-4711' },
  ])(
    'does not start with a bad one, names all of a service, and does not repeat their values: %o',
    async (settings) => {
      const { code, stdout, stderr } = await start(settings);
      expect(code).not.toBe(0);
      for (const setting of Object.keys(settings)) expect(stderr).toContain(setting);
      expect(stdout + stderr).not.toContain('4711');
    },
  );
});

describe('npm start --study with files that are no DICOM', () => {
  const command = async (folder: string, ...options: string[]): ReturnType<typeof run> => {
    const dataDir = newFolder('start-study');
    return run(process.execPath, ['tools/start.mjs', '--study', folder, '--once', ...options], {
      cwd: root,
      env: {
        CALLOSUM_DATA_DIR: dataDir,
        CALLOSUM_HTTP_PORT: String(await freePort()),
        CALLOSUM_DIMSE_PORT: String(await freePort()),
        CALLOSUM_GRPC_PORT: String(await freePort()),
        CALLOSUM_QUIET_PERIOD_MS: '2000',
      },
    });
  };

  it('names the file that is no DICOM, and publishes the others', async () => {
    const folder = writeStudy(smallPhantom({ uidSalt: 'beside-junk', patient: { patientId: 'E2E-BESIDE-JUNK' } }));
    writeFileSync(join(folder, 'notes.txt'), 'taken after the scan');
    const { code, stdout, stderr } = await command(folder);
    expect(code, stdout.slice(-2000) + stderr.slice(-2000)).toBe(0);
    expect(stderr).toMatch(/not sent: \S*notes\.txt: \S/);
    const last = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as Record<string, unknown>;
    expect(last['diagnosticReport']).toMatch(/^DiagnosticReport\//);
  });

  it('ends with the reason when there is no DICOM file at all', async () => {
    const folder = newFolder('junk');
    writeFileSync(join(folder, 'notes.txt'), 'nothing to see');
    writeFileSync(join(folder, 'empty.dcm'), '');
    const { code, stderr } = await command(folder);
    expect(code).not.toBe(0);
    expect(code).not.toBeNull();
    expect(stderr).toContain('notes.txt');
    expect(stderr).toContain('empty.dcm');
    expect(stderr).toContain('no DICOM file');
  });

  it('ends with the reason when the folder is not there', async () => {
    const { code, stderr } = await command('/nowhere/at/all');
    expect(code).toBe(1);
    expect(stderr).toContain('/nowhere/at/all');
  });
});

async function stow(httpUrl: string, objects: readonly Uint8Array[]): Promise<Response> {
  const boundary = 'e2e-boundary';
  const parts = objects.flatMap((object) => [
    Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`),
    Buffer.from(object),
    Buffer.from('\r\n'),
  ]);
  return fetch(`${httpUrl}/dicom-web/studies`, {
    method: 'POST',
    headers: {
      'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
      accept: 'application/dicom+json',
    },
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
  });
}
