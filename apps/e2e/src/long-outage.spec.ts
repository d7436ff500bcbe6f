import { setTimeout as sleep } from 'node:timers/promises';

import { randomOf } from '@callosum/phantom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { eventually, imagingStudyOf, reportsOf, waitForReport } from './harness/fhir.js';
import { Services } from './harness/services.js';
import { smallPhantom } from './harness/studies.js';

const seed = Number(process.env['CALLOSUM_SEED'] ?? 20261126);
/** In place; in production four minutes. Everything that is away here is away for longer. */
const waitSeconds = '5';

type Study = ReturnType<typeof smallPhantom>;

const studyOf = (name: string): Study =>
  smallPhantom({
    uidSalt: `long-outage-${name}`,
    patient: { patientId: `E2E-OUTAGE-${name}`, patientName: `OUTAGE^${name}` },
  });
/** Whose Patient nobody can be asked for. Three: each is tried again at a time of its own. */
const unlinked = ['A', 'B', 'C'].map(studyOf);
/** Whose objects cannot be read; a fact an instance, all of one key. */
const unread = studyOf('D');

/** An outage longer than facts are waited for in place, services as processes of their own. Nobody types a command. */
describe(`an outage that parks what comes meanwhile (CALLOSUM_SEED=${seed})`, () => {
  const random = randomOf(seed);
  let services: Services;
  const parked = (schema: string): Promise<number> => services.count(`${schema}.parked`);

  beforeAll(async () => {
    services = await Services.start('long-outage', () => ({ CALLOSUM_EVENT_WAIT_SECONDS: waitSeconds }));
  });
  afterAll(() => services?.end());

  /** Until the service has tried some of it again by itself, in vain. */
  const triedInVain = (schema: string): Promise<boolean> =>
    eventually(`${schema} parks and tries again`, 180_000, async () => {
      return (await services.count(`${schema}.parked where retries > 0 and retry_at is not null`)) > 0;
    });

  /**
   * Kills the service once it has replayed a part of what it had parked. It is quick: what is left then is for the
   * report only, since on some machine it is nothing.
   */
  async function killWhileItReplays(name: string, schema: string): Promise<void> {
    const before = await parked(schema);
    const killAt = Math.max(0, before - 1 - Math.floor(random() * before * 0.6));
    for (const deadline = Date.now() + 180_000; (await parked(schema)) > killAt; await sleep(5)) {
      if (Date.now() > deadline) throw new Error(`${name} replays nothing: ${await parked(schema)} of ${before} left`);
    }
    await services.kill(name);
    process.stdout.write(`${name} killed: ${before} parked before, ${await parked(schema)} left\n`);
    await services.start(name);
  }

  it('ends without a person, though the services that replay are killed: each study has one report', async () => {
    await services.stop('fhir-gateway');
    for (const study of unlinked) await services.send(study);
    await eventually('their jobs are done', 120_000, async () => {
      const completed = await services.count("inference_orchestrator.job where state = 'completed'");
      return completed === unlinked.length && (await services.outboxesAreEmpty());
    });

    // Its instances are in the archive, and told of; the index meets a store that is away.
    await services.stop('study-index');
    await services.send(unread);
    await eventually('it is told of', 60_000, () => services.outboxesAreEmpty());
    const reviveS3 = await services.cluster.s3.kill();
    await services.start('study-index');

    await Promise.all(['identity_mapping', 'study_index'].map(triedInVain));
    await eventually('each instance is set aside', 60_000, async () => {
      const rows = await services.count('study_index.parked where key = $1', [unread.studyInstanceUid]);
      return rows === unread.instances.length;
    });

    await Promise.all([reviveS3(), services.start('fhir-gateway')]);
    await Promise.all([
      killWhileItReplays('identity-mapping', 'identity_mapping'),
      killWhileItReplays('study-index', 'study_index'),
    ]);

    const studies = [...unlinked, unread];
    for (const study of studies) await waitForReport(services.fhir, study.studyInstanceUid, 240_000);
    await eventually('nothing is parked', 240_000, async () => {
      const left = await Promise.all(services.cluster.services.map(({ schema }) => parked(schema)));
      return left.every((rows) => rows === 0);
    });
    await eventually('no fact waits', 60_000, () => services.outboxesAreEmpty());
    await eventually('no job waits', 60_000, () => services.noJobWaits());

    for (const study of studies) {
      expect(await reportsOf(services.fhir, study.studyInstanceUid), study.studyInstanceUid).toHaveLength(1);
      expect(await imagingStudyOf(services.fhir, study.studyInstanceUid)).toBeDefined();
    }
    expect(await services.count('inference_orchestrator.job')).toBe(studies.length);
    for (const { schema } of services.cluster.services) {
      expect(await parked(schema), schema).toBe(0);
      expect(await services.count(`${schema}.dropped`), schema).toBe(0);
    }
  }, 900_000);
});
