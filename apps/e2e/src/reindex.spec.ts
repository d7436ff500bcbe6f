import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { query } from './harness/database.js';
import { eventually } from './harness/fhir.js';
import { root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';
import { send, smallPhantom } from './harness/studies.js';

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
