import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { factCount, query } from './harness/database.js';
import { eventually, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { newFolder, root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';
import { runPython } from './harness/python.js';
import { send, smallPhantom, storescu } from './harness/studies.js';

const kept = smallPhantom({ uidSalt: 'reindex-1' });
const lost = smallPhantom({ uidSalt: 'reindex-2' });

/** `callosum …`, as it stands in node_modules/.bin. */
const callosum = (dataDir: string, ...args: readonly string[]): Promise<Finished> =>
  run(process.execPath, [join(root, 'apps/cli/bin/callosum.mjs'), ...args], {
    env: { CALLOSUM_DATA_DIR: dataDir, CALLOSUM_STUDY_INDEX_GRPC: '' },
  });

describe('callosum reindex', () => {
  let system: Callosum;

  /** What QIDO-RS and the metadata say of both studies, in an order of our own. */
  async function answers(): Promise<unknown> {
    const found: Record<string, unknown> = {};
    for (const { studyInstanceUid } of [kept, lost]) {
      const study = `studies/${studyInstanceUid}`;
      const queries = [
        `studies?StudyInstanceUID=${studyInstanceUid}&includefield=all`,
        `${study}/series?includefield=all`,
        `${study}/instances?includefield=all&limit=1000`,
        `${study}/metadata`,
      ];
      for (const path of queries) {
        const response = await fetch(`${system.httpUrl}/dicom-web/${path}`, {
          headers: { accept: 'application/dicom+json' },
        });
        const body = response.status === 200 ? ((await response.json()) as unknown[]) : [];
        found[path] = [response.status, body.map((dataset) => JSON.stringify(dataset)).sort()];
      }
    }
    return found;
  }

  const indexed = (studyInstanceUid: string): Promise<number> =>
    query<{ count: string }>(
      system,
      'select count(*) as count from study_index.instance where study_instance_uid = $1',
      [studyInstanceUid],
    ).then((rows) => Number(rows[0]?.count));

  beforeAll(async () => {
    system = await Callosum.start('reindex', { worker: false });
    for (const study of [kept, lost]) {
      await send(system, study);
      await eventually(
        'the study is indexed',
        60_000,
        async () => (await indexed(study.studyInstanceUid)) === study.instances.length,
      );
    }
  });
  afterAll(() => system?.stop());

  it('gives back what a damaged index lost, from the blobs alone', async () => {
    const before = await answers();
    expect(JSON.stringify(before)).not.toContain('[404');

    await query(system, 'delete from study_index.study where study_instance_uid = $1', [lost.studyInstanceUid]);
    await query(system, 'delete from study_index.instance where study_instance_uid = $1', [lost.studyInstanceUid]);
    await query(
      system,
      `delete from study_index.instance where sop_instance_uid in
         (select sop_instance_uid from study_index.instance where study_instance_uid = $1 limit 10)`,
      [kept.studyInstanceUid],
    );
    await query(system, "update study_index.series set modality = 'XX'");
    expect(await answers()).not.toEqual(before);

    const { code, stdout, stderr } = await callosum(system.dataDir, 'reindex');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain(`index rebuilt from ${kept.instances.length + lost.instances.length} instances`);
    expect(await answers()).toEqual(before);
  });

  it('says what cannot be read, ends with 1 and leaves its row', async () => {
    const uid = kept.instances[0]?.sopInstanceUid ?? '';
    const [row] = await query<{ blob_key: string }>(
      system,
      'select blob_key from archive.intake where sop_instance_uid = $1',
      [uid],
    );
    await query(system, "update archive.intake set blob_key = 'default/nowhere' where sop_instance_uid = $1", [uid]);
    const { code, stdout } = await callosum(system.dataDir, 'reindex');
    await query(system, 'update archive.intake set blob_key = $2 where sop_instance_uid = $1', [uid, row?.blob_key]);
    expect(stdout).toContain('1 unreadable');
    expect(code).toBe(1);
    expect(await indexed(kept.studyInstanceUid)).toBe(kept.instances.length);
    expect(system.logs()).toContain(uid);
  });

  it('reads what is asked of it: help, an unknown command, no running system, an address where nobody is', async () => {
    expect(await callosum(system.dataDir, '--help')).toMatchObject({ code: 0, stderr: '' });
    expect(await callosum(system.dataDir, 'rebuild')).toMatchObject({ code: 2, stdout: '' });
    const nowhere = mkdtempSync(join(tmpdir(), 'callosum-e2e-nothing-'));
    const absent = await callosum(nowhere, 'reindex');
    expect(absent.code).toBe(1);
    expect(absent.stderr).toContain(`no system runs on ${nowhere}`);
    const refused = await callosum(nowhere, 'reindex', '--address', `unix:${nowhere}/none.sock`);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('does not answer');
  });
});

/** A slice of a study as the first of a new series of it. */
const asNewSeries = `
import json, sys
from pydicom import dcmread
dataset = dcmread(sys.argv[1])
dataset.SeriesInstanceUID = sys.argv[3]
dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = sys.argv[3] + '.1'
dataset.SeriesNumber = 90
dataset.save_as(sys.argv[2])
print(json.dumps('done'))
`;

/** A late series of one slice. @returns its file */
async function lateSeries(study: typeof kept, number: number): Promise<string> {
  const [source, target] = [newFolder('late'), newFolder('late')].map((folder) => join(folder, 'slice.dcm'));
  writeFileSync(source ?? '', study.instances[0]?.bytes ?? '');
  await runPython(asNewSeries, [source ?? '', target ?? '', `${study.studyInstanceUid}.${number}`]);
  return target ?? '';
}

async function sendFiles(system: Callosum, ...paths: readonly string[]): Promise<void> {
  const { code, stderr } = await storescu(system, paths);
  expect(code, stderr).toBe(0);
}

/** The series FHIR shows of a study; 0 before there is an ImagingStudy. */
async function seriesInRecord(system: Callosum, studyInstanceUid: string): Promise<number> {
  const study = await imagingStudyOf(system.httpUrl, studyInstanceUid).catch(() => undefined);
  return Number(study?.['numberOfSeries'] ?? 0);
}

describe('an index that is lost when a study is at revision 3', () => {
  const study = smallPhantom({ uidSalt: 'reindex-revisions' });
  const uid = study.studyInstanceUid;
  let system: Callosum;
  beforeAll(async () => {
    system = await Callosum.start('reindex-revisions');
  });
  afterAll(() => system?.stop());

  const revisionAt = async (sql: string): Promise<number> =>
    Number((await query<{ revision: number }>(system, sql, [uid]))[0]?.revision ?? 0);
  const indexed = 'select revision from study_index.study where study_instance_uid = $1';
  const considered = 'select revision from inference_orchestrator.study where study_instance_uid = $1';
  const published = 'select completed_revision as revision from result_publisher.study where study_instance_uid = $1';

  it('is rebuilt above it, and a late series after that is taken up by everyone', async () => {
    await send(system, study);
    await waitForReport(system.httpUrl, uid);
    const series = await seriesInRecord(system, uid);
    for (const number of [1, 2]) {
      await sendFiles(system, await lateSeries(study, number));
      const revision = number + 1;
      await eventually('the revision is considered', 60_000, async () => (await revisionAt(considered)) === revision);
    }
    await eventually('the record shows both', 60_000, async () => (await seriesInRecord(system, uid)) === series + 2);

    await query(
      system,
      'truncate study_index.study, study_index.series, study_index.instance, study_index.revision cascade',
    );
    expect((await callosum(system.dataDir, 'reindex')).code).toBe(0);
    await eventually('the rebuilt study is considered', 60_000, async () => (await revisionAt(considered)) > 3);
    const rebuilt = await revisionAt(indexed);

    await sendFiles(system, await lateSeries(study, 3));
    for (const [who, sql] of [
      ['index', indexed],
      ['orchestrator', considered],
      ['publisher', published],
    ] as const) {
      await eventually(`${who} is at the next revision`, 60_000, async () => (await revisionAt(sql)) === rebuilt + 1);
    }
    await eventually('the record shows it', 60_000, async () => (await seriesInRecord(system, uid)) === series + 3);
    expect(await reportsOf(system.httpUrl, uid)).toHaveLength(1);
  });
});

describe('a database restored from a backup that is older than the blobs', () => {
  const [before, after] = [smallPhantom({ uidSalt: 'restore-1' }), smallPhantom({ uidSalt: 'restore-2' })];
  let system: Callosum;
  beforeAll(async () => {
    system = await Callosum.start('restore', { worker: false });
  });
  afterAll(() => system?.stop());

  const rows = (sql: string): Promise<number> =>
    query<{ count: string }>(system, sql).then((answer) => Number(answer[0]?.count));
  const inLedger = () => rows('select count(*) as count from archive.intake');
  const inIndex = () => rows('select count(*) as count from study_index.instance');
  const studies = [before.studyInstanceUid, after.studyInstanceUid];

  it('has everything that was acknowledged after "callosum reindex", and nothing twice', async () => {
    await send(system, before);
    await eventually('it is in the record', 60_000, async () => (await seriesInRecord(system, studies[0] ?? '')) > 0);
    await system.stop();
    const [live, backup] = [join(system.dataDir, 'postgres'), join(newFolder('backup'), 'postgres')];
    await run('cp', ['-a', live, backup]);

    await system.boot();
    await send(system, after);
    await sendFiles(system, await lateSeries(before, 1));
    const all = before.instances.length + after.instances.length + 1;
    await eventually('all is indexed', 60_000, async () => (await inIndex()) === all);
    await eventually('it is in the record', 60_000, async () => (await seriesInRecord(system, studies[1] ?? '')) > 0);
    await system.stop();
    rmSync(live, { recursive: true });
    await run('cp', ['-a', backup, live]);

    await system.boot();
    expect(await inLedger()).toBe(before.instances.length);
    expect(await seriesInRecord(system, studies[1] ?? '')).toBe(0);
    const { code, stdout, stderr } = await callosum(system.dataDir, 'reindex', '--settled', '0');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`${all} blobs compared with the ledger, ${after.instances.length + 1} recovered`);
    expect([await inLedger(), await inIndex()]).toEqual([all, all]);
    for (const [number, uid] of studies.entries()) {
      const study = [before, after][number];
      const series =
        new Set(study?.instances.map(({ seriesInstanceUid }) => seriesInstanceUid)).size + (number === 0 ? 1 : 0);
      await eventually('the record shows it', 60_000, async () => (await seriesInRecord(system, uid)) === series);
    }
    const facts = async () => Promise.all(studies.map((uid) => factCount(system, 'imaging.instance.stored.v1', uid)));
    expect(await facts()).toEqual([before.instances.length + 1, after.instances.length]);
    const again = await callosum(system.dataDir, 'reindex', '--settled', '0');
    expect(again.stdout).toContain(`${all} blobs compared with the ledger\n`);
    expect(await facts()).toEqual([before.instances.length + 1, after.instances.length]);
  });
});
