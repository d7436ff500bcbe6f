import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { query } from './harness/database.js';
import { eventually, imagingStudyOf } from './harness/fhir.js';
import { root } from './harness/paths.js';
import { type Finished, run } from './harness/processes.js';
import { send, smallPhantom } from './harness/studies.js';

const poisoned = smallPhantom({ uidSalt: 'parked-poisoned' });
const healthy = smallPhantom({ uidSalt: 'parked-healthy' });
const topic = 'imaging.study.updated.v1';
const group = 'identity-mapping';

describe('callosum parked', () => {
  let system: Callosum;
  beforeAll(async () => {
    system = await Callosum.start('parked', { worker: false });
  });
  afterAll(() => system?.stop());

  /** `callosum parked …`, as it stands in node_modules/.bin. */
  const parked = (...args: readonly string[]): Promise<Finished> =>
    run(process.execPath, [join(root, 'apps/cli/bin/callosum.mjs'), 'parked', ...args], {
      env: { CALLOSUM_DATA_DIR: system.dataDir, CALLOSUM_SERVICES_GRPC: '' },
    });
  const key = poisoned.studyInstanceUid;
  const of = ['--group', group, '--topic', topic, '--key', key];
  const factsOf = (table: string): Promise<string[]> =>
    query<{ event_id: string }>(
      system,
      `select event_id from ${table} where topic = $1 and key = $2 order by ${table.startsWith('event_log') ? 'position' : 'id'}`,
      [topic, key],
    ).then((rows) => rows.map(({ event_id }) => event_id));
  const handled = (): Promise<string[]> =>
    query<{ event_id: string }>(
      system,
      `select i.event_id from identity_mapping.inbox i join event_log.events e using (event_id)
       where e.topic = $1 and e.key = $2 and i.consumer_group = $3 order by i.received_at`,
      [topic, key, group],
    ).then((rows) => rows.map(({ event_id }) => event_id));
  const decisions = (uid: string): Promise<number> =>
    query(system, 'select 1 from identity_mapping.decision where study_instance_uid = $1', [uid]).then(
      (rows) => rows.length,
    );
  const decided = async (uid: string): Promise<boolean> => (await decisions(uid)) > 0;

  it('shows a fact that cannot be handled and those that wait behind it, while other studies go on', async () => {
    expect((await parked('list')).stdout).toBe('nothing is parked\n');
    // What a defect of ours would do: this study's decision cannot be written, every other one can.
    await query(
      system,
      `create function identity_mapping.poison() returns trigger language plpgsql as $$
       begin
         if new.study_instance_uid = '${key}' then raise exception 'planted' using errcode = '22000'; end if;
         return new;
       end $$`,
    );
    await query(
      system,
      `create trigger poison before insert on identity_mapping.decision for each row execute function identity_mapping.poison()`,
    );
    await send(system, poisoned);
    const everyFactIsParked = async (): Promise<boolean> => {
      const facts = await factsOf('event_log.events');
      return facts.length > 0 && (await factsOf('identity_mapping.parked')).length === facts.length;
    };
    await eventually('the study’s facts are parked', 60_000, everyFactIsParked);
    // The same fact once more under another id: a later fact of the key, which would be handled without the first.
    await query(
      system,
      `insert into event_log.events (partition, topic, key, event_id, type, source, time, site, correlation_id, value)
       select partition, topic, key, 'a-later-fact', type, source, time, site, correlation_id, value
       from event_log.events where topic = $1 and key = $2 limit 1`,
      [topic, key],
    );
    await eventually('the later fact waits behind', 60_000, everyFactIsParked);
    await send(system, healthy);
    await eventually('the other study has a decision', 60_000, () => decided(healthy.studyInstanceUid));
    expect(await decisions(key)).toBe(0);

    const list = await parked('list');
    expect(list.code, list.stderr).toBe(0);
    expect(list.stdout).toMatch(new RegExp(`${group}  ${topic}  ${key}  \\d+ parked  internal\n`));
    expect(list.stdout).not.toContain(healthy.studyInstanceUid);
    const shown = await parked('show', ...of);
    for (const id of await factsOf('identity_mapping.parked')) expect(shown.stdout).toContain(`id=${id}`);
    expect(shown.stdout).toContain('errorCode=event-log.behind-parked');
    expect(shown.stdout).toContain(`"studyInstanceUid":"${key}"`);
  });

  it('replays in vain while the cause is there, and says at what it stopped', async () => {
    const before = await factsOf('identity_mapping.parked');
    const { code, stdout } = await parked('replay', ...of);
    expect(code).toBe(1);
    expect(stdout).toContain(`0 replayed, ${before.length} left, stopped at internal`);
    expect(await factsOf('identity_mapping.parked')).toEqual(before);
  });

  it('replays in order with the ids of the events once the cause is mended', async () => {
    await query(system, 'drop trigger poison on identity_mapping.decision');
    const sent = await factsOf('event_log.events');
    const { code, stdout, stderr } = await parked('replay', ...of);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toContain(`${sent.length} replayed, 0 left`);
    const done = await handled();
    expect(done).toContain(sent[0]);
    expect(done).toEqual(sent.filter((id) => done.includes(id)));
    expect(await decided(key)).toBe(true);
    await eventually('the study reaches FHIR', 60_000, async () => {
      const study = await imagingStudyOf(system.httpUrl, key);
      return study !== undefined;
    });
    expect((await parked('list')).stdout).toBe('nothing is parked\n');
  });

  it('drops what nobody can read, keeps who and why, and lets later facts of the key through', async () => {
    const [first] = await query<{ partition: number }>(
      system,
      'select partition from event_log.events where topic = $1 and key = $2 limit 1',
      [topic, key],
    );
    const planted = 'planted-by-the-test';
    await query(
      system,
      `insert into event_log.events (partition, topic, key, event_id, type, source, time, site, correlation_id, value)
       values ($1, $2, $3, $4, 'callosum.imaging.v1.StudyUpdated', '/test', now(), 'default', 'c', '{"patient": "DOE^JOHN"')`,
      [first?.partition, topic, key, planted],
    );
    await eventually('it is parked', 60_000, async () => (await factsOf('identity_mapping.parked')).includes(planted));
    const shown = await parked('show', ...of);
    expect(shown.stdout).toContain('event-log.malformed');
    expect(shown.stdout).not.toContain('DOE');

    expect(await parked('drop', ...of)).toMatchObject({ code: 2, stdout: '' });
    const wrong = await parked('drop', ...of, '--id', 'another', '--reason', 'x');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain('NOT_FOUND');
    const dropped = await parked('drop', ...of, '--id', planted, '--reason', 'made by a test', '--by', 'on call');
    expect(dropped.stdout).toContain('1 dropped, 0 left');
    const rows = await query(
      system,
      'select event_id, dropped_by, reason from identity_mapping.dropped where dropped_at > now() - interval $$1 hour$$',
    );
    expect(rows).toEqual([{ event_id: planted, dropped_by: 'on call', reason: 'made by a test' }]);
    // result-publisher parked the same record for itself: dropping is of one group alone.
    const others = await parked('list', '--topic', topic);
    expect(others.stdout).toContain(`result-publisher  ${topic}  ${key}`);
    expect(others.stdout).not.toContain(`${group}  ${topic}`);
    const rest = await parked(
      'drop',
      '--group',
      'result-publisher',
      '--topic',
      topic,
      '--key',
      key,
      '--reason',
      'same',
    );
    expect(rest.code, rest.stderr).toBe(0);
    expect(system.logs()).not.toContain('DOE');
  });

  it('lists publications that FHIR refused, and replays them', async () => {
    const publication = ['--group', 'result-publisher', '--topic', 'publication', '--key', key];
    await query(
      system,
      `update result_publisher.publication set state = 'parked', next_attempt_at = null, error_code = 'test.refused'
       where study_instance_uid = $1`,
      [key],
    );
    expect((await parked('list', '--group', 'result-publisher')).stdout).toMatch(
      new RegExp(`publication  ${key}  1 parked  test.refused`),
    );
    expect((await parked('show', ...publication)).stdout).toContain('imaging-study');
    const refused = await parked('drop', ...publication, '--reason', 'x');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('event-log.not-droppable');
    expect((await parked('replay', ...publication)).stdout).toContain('1 replayed, 0 left');
    await eventually('it is published', 60_000, async () => {
      const rows = await query<{ state: string }>(
        system,
        'select state from result_publisher.publication where study_instance_uid = $1',
        [key],
      );
      return rows.every(({ state }) => state === 'published');
    });
  });

  it('reads what is asked of it: nothing parked, no address, an address where nobody is', async () => {
    expect((await parked('replay', ...of)).stderr).toContain('event-log.nothing-parked');
    expect(await parked('show', '--group', group)).toMatchObject({ code: 2, stdout: '' });
    expect((await parked('list', '--address', 'nonsense')).code).toBe(2);
    const nobody = await parked('list', '--address', `${group}=unix:${system.dataDir}/none.sock`);
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('does not answer');
  });
});
