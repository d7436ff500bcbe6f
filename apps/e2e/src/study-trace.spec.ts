import { tinySeries } from '@callosum/phantom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { callosum } from './harness/cli.js';
import { query } from './harness/database.js';
import { stow } from './harness/dicomweb.js';
import { eventually } from './harness/fhir.js';
import { type NonsenseWorker, startNonsenseWorker } from './harness/nonsense-worker.js';
import { send, smallPhantom } from './harness/studies.js';

const patient = { patientId: 'TRACE-4711', patientName: 'TRACED^PERSON', birthDate: '19490312', sex: 'F' } as const;
const modelled = smallPhantom({ uidSalt: 'study-trace-modelled', patient });
const poisoned = smallPhantom({ uidSalt: 'study-trace-poisoned', patient, slices: 8 });
const tiny = (salt: string, overrides: Record<string, string>) => {
  const [made] = tinySeries({ slices: 1, salt: `study-trace-${salt}`, overrides });
  if (!made) throw new Error('no object');
  return made;
};

interface Traced {
  readonly waitsFor: readonly { readonly code: string; readonly what: string; readonly since?: string }[];
  readonly traceIds: readonly string[];
  readonly services: Readonly<Record<string, Record<string, unknown>>>;
}

describe('callosum trace', () => {
  let system: Callosum;
  const workers: NonsenseWorker[] = [];

  beforeAll(async () => {
    // A study stays open long enough to be looked at, and closes soon where its sender said that it is done.
    const env = { CALLOSUM_QUIET_PERIOD_MS: '20000', CALLOSUM_RELEASED_QUIET_PERIOD_MS: '500' };
    system = await Callosum.start('study-trace', { worker: false, env });
  });
  afterAll(async () => {
    for (const one of workers) one.close();
    await system?.stop();
  });

  const startWorker = (): NonsenseWorker => {
    const volume = {
      id: 'volume',
      concept: { value: '118565006', scheme: 'SCT', meaning: 'Volume' },
      value: 4711,
      unit: { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' },
    };
    const one = startNonsenseWorker(`127.0.0.1:${system.grpcPort}`, 'traced-model', () =>
      Promise.resolve({ measurements: [volume] }),
    );
    workers.push(one);
    return one;
  };

  /** Both outputs; neither may tell whose study it is. */
  async function trace(uid: string): Promise<Traced & { readonly text: string }> {
    // What people read is asked for last: it is never older than what was waited for.
    const scripts = await callosum(system, 'trace', uid, '--json');
    const people = await callosum(system, 'trace', uid);
    expect(people.code, people.stderr).toBe(0);
    expect(scripts.code, scripts.stderr).toBe(0);
    expect(people.stdout + scripts.stdout).not.toMatch(/TRACE-4711|TRACED|PERSON|1949-?03-?12/);
    return { ...(JSON.parse(scripts.stdout) as Traced), text: people.stdout };
  }
  const until = (what: string, uid: string, good: (traced: Traced) => boolean): Promise<Traced & { text: string }> =>
    eventually(what, 60_000, async () => {
      const traced = await trace(uid);
      return good(traced) && traced;
    });
  const codes = ({ waitsFor }: Traced): string[] => waitsFor.map(({ code }) => code);

  it('says that no service knows a study, and what is no StudyInstanceUID', async () => {
    const unknown = await callosum(system, 'trace', '1.2.3.4');
    expect(unknown).toMatchObject({ code: 1, stdout: '', stderr: 'callosum: no service knows a study 1.2.3.4\n' });
    expect(await callosum(system, 'trace', 'DOE^JOHN')).toMatchObject({ code: 2, stdout: '' });
    expect(await callosum(system, 'trace')).toMatchObject({ code: 2, stdout: '' });
  });

  it('describes one that is still being received: what came, when, and when it counts as whole', async () => {
    const object = tiny('receiving', { PatientName: patient.patientName, PatientID: patient.patientId });
    const before = Date.now();
    expect((await stow(system.httpUrl, [object.bytes])).status).toBe(200);
    const traced = await until('it is indexed', object.studyInstanceUid, ({ waitsFor, services }) =>
      Boolean(services['identity-mapping']?.['identity'] && waitsFor.some(({ code }) => code === 'quiet-period')),
    );
    expect(traced.text).toMatch(/^archive +1 instances, .*last \d+ s ago/m);
    expect(traced.text).toMatch(/^index +receiving, revision 1: 1 instances in 1 series; complete at /m);
    const [quiet] = traced.waitsFor.filter(({ code }) => code === 'quiet-period');
    expect(Date.parse(quiet?.since ?? '')).toBeGreaterThanOrEqual(before - 1_000);
    expect(Date.parse(quiet?.since ?? '')).toBeLessThanOrEqual(Date.now());
    const until_ = Date.parse(/until (\S+)$/.exec(quiet?.what ?? '')?.[1] ?? '');
    expect(until_ - Date.parse(quiet?.since ?? '')).toBeGreaterThan(19_000);
    expect(traced.traceIds.length).toBeGreaterThan(0);
  });

  it('describes one in quarantine: why, since when, and that its publication waits for that', async () => {
    const object = tiny('quarantined', { PatientID: '', PatientName: patient.patientName });
    await send(system, { instances: [{ ...object, fileName: '1.dcm' }] });
    const traced = await until(
      'it is complete',
      object.studyInstanceUid,
      (one) => codes(one).join() === 'person-identity',
    );
    expect(traced.text).toMatch(/^identity +quarantined by rules: missing-patient-id, \d+ s ago$/m);
    expect(traced.text).toMatch(/^publication +imaging-study: waiting for identity/m);
    expect(traced.text).toMatch(/^waits for +a person to decide whose it is \(missing-patient-id\); since /m);
  });

  it('describes one that waits for a worker, and the same once it is published', async () => {
    const gone = startWorker();
    await eventually('the model is known', 30_000, async () => {
      const rows = await query(system, "select 1 from inference_orchestrator.model where model_id = 'traced-model'");
      return rows.length > 0;
    });
    gone.close();
    await send(system, modelled);
    const uid = modelled.studyInstanceUid;
    const waiting = await until('it waits for a worker alone', uid, (one) => codes(one).join() === 'worker');
    expect(waiting.text).toMatch(/^inference +traced-model 1\.0\.0: queued, .*attempts \d/m);
    expect(waiting.text).toMatch(/^waits for +a free worker of traced-model; since /m);
    expect(waiting.text).toMatch(/^publication +imaging-study: published, .* in fhir$/m);

    startWorker();
    const done = await until('nothing is left to wait for', uid, (one) => one.waitsFor.length === 0);
    expect(done.text).toMatch(/^identity +linked to a provisional Patient by rules/m);
    expect(done.text).toMatch(/^inference +traced-model 1\.0\.0: completed, .* attempts \d/m);
    expect(done.text).toMatch(/^publication +result of traced-model: published, .* in archive and fhir$/m);
    expect(done.text).toMatch(/^archive +98 instances, .*, 1 of them made by Callosum/m);
    expect(done.text).toMatch(/^waits for +nothing$/m);
    const logged = system
      .logs()
      .split('\n')
      .filter((line) => line.includes('"publication.done"') && line.includes(uid));
    expect(logged.length).toBeGreaterThan(0);
    for (const line of logged) expect(done.traceIds).toContain((JSON.parse(line) as { traceId: string }).traceId);
  });

  it('describes one whose publication is parked', async () => {
    const uid = modelled.studyInstanceUid;
    await query(
      system,
      `update result_publisher.publication set state = 'parked', next_attempt_at = null, error_code = 'test.refused'
       where study_instance_uid = $1 and kind = 'result'`,
      [uid],
    );
    const traced = await trace(uid);
    expect(codes(traced)).toEqual(['person-publication']);
    expect(traced.text).toMatch(/^publication +result of traced-model: parked, .*test\.refused/m);
    expect(traced.text).toMatch(/^waits for +a person to mend and replay publication result \(test\.refused\)/m);
  });

  it('describes one with a fact that is parked, in which service, and what nobody can do before', async () => {
    const uid = poisoned.studyInstanceUid;
    await query(
      system,
      `create function identity_mapping.refuse() returns trigger language plpgsql as $$
       begin
         if new.study_instance_uid = '${uid}' then raise exception 'refused' using errcode = '22000'; end if;
         return new;
       end $$`,
    );
    await query(
      system,
      'create trigger refuse before insert on identity_mapping.decision for each row execute function identity_mapping.refuse()',
    );
    await send(system, poisoned);
    const traced = await until('a fact is parked', uid, (one) => codes(one).includes('person-parked'));
    expect(codes(traced)[0]).toBe('person-parked');
    expect(traced.text).toMatch(
      /^parked +identity-mapping {2}imaging\.study\.updated\.v1 {2}[\d.]+ {2}\d+ facts?, internal, /m,
    );
    expect(codes(traced)).toContain('identity-decision');
    expect(traced.text).not.toMatch(/^identity /m);
  });

  it('names a service that does not answer, and does not say that the study is unknown', async () => {
    const nobody = `identity-mapping=unix:${system.dataDir}/none.sock`;
    const alone = await callosum(system, 'trace', modelled.studyInstanceUid, '--address', nobody);
    expect(alone.code).toBe(1);
    expect(alone.stdout).toMatch(/^unknown +what identity-mapping knows: .*does not answer/m);
    expect(alone.stderr).not.toContain('no service knows');
    expect(alone.stdout).not.toMatch(/^waits for/m);
  });
});
