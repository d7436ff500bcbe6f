import {
  type Bundle,
  type DiagnosticReport,
  FhirRequestError,
  FhirUnavailableError,
  type ImagingStudy,
  type Observation,
  type Resource,
  type Task,
} from '@callosum/fhir';
import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';

import { startGateway } from '../../fhir-gateway/src/gateway-for-tests.js';
import { LabelMapUnreadableError } from './application/errors.js';
import {
  all,
  announced,
  archive,
  archiveDatabase,
  completed,
  database,
  dependencies,
  drain,
  endLeases,
  jobCompleted,
  linked,
  makeDue,
  patient,
  peers,
  publications,
  quarantined,
  result,
  setDependencies,
  tiny,
  usePublishing,
  whole,
  written,
} from './test-support/publishing.js';
import { passesTheValidator } from './test-support/validator.js';

usePublishing(startGateway);

const patientTypes = ['ImagingStudy', 'DiagnosticReport', 'Observation', 'Task'] as const;
type Named = Resource & { status?: string; subject?: { reference?: string }; for?: { reference?: string } };

/** Everything that names a Patient, by type and id. */
async function named(): Promise<Map<string, Named>> {
  const found = (await Promise.all(patientTypes.map((type) => all<Named>(type)))).flat();
  return new Map(found.map((resource) => [`${resource.resourceType}/${resource.id}`, resource]));
}
const statuses = (resources: Map<string, Named>): Record<string, string | undefined> =>
  Object.fromEntries([...resources].map(([reference, { status }]) => [reference, status]));
const patients = (resources: Map<string, Named>): Set<string | undefined> =>
  new Set([...resources.values()].map((resource) => (resource.subject ?? resource.for)?.reference));
/** Every resource of every type that is written for a study, as text. */
async function everything(): Promise<string> {
  return JSON.stringify(await Promise.all(Object.keys(whole).map((type) => all(type))));
}
const corrections = async (): Promise<number> =>
  (await announced()).filter(({ kind }) => kind === 'PUBLICATION_KIND_CORRECTION').length;

async function publishWhole(): Promise<void> {
  await linked();
  await completed();
  await jobCompleted();
  await drain();
}
async function quarantine(decisionId = 'decision-q'): Promise<void> {
  peers.decision = { id: decisionId, patientReference: '' };
  await quarantined(undefined, decisionId);
}
async function link(decisionId: string, patientReference: string): Promise<void> {
  peers.decision = { id: decisionId, patientReference };
  await linked();
}
async function secondRevision(): Promise<void> {
  const measurements = result.measurements.slice(0, 2);
  await jobCompleted({ jobId: 'job-2', revision: 2, resultDigest: 'ef'.repeat(32), measurements });
  await drain();
}
async function rows(): Promise<{ kind: string; state: string; error_code: string | null }[]> {
  return (
    await sql<{ kind: string; state: string; error_code: string | null }>`
      select kind, state, error_code from publication order by kind`.execute(database.db)
  ).rows;
}

describe('a link that turns into a quarantine', () => {
  it('withdraws everything that was written, in one transaction and once', async () => {
    await publishWhole();
    const one = peers.decision.patientReference;
    await quarantine();
    expect(await drain()).toEqual(['correction published']);
    const now = await named();
    expect(now.size).toBe(7);
    expect(new Set(Object.values(statuses(now)))).toEqual(new Set(['entered-in-error']));
    // Whoever watches this Patient's record must learn of it, and must not be shown anybody's finding.
    expect(patients(now)).toEqual(new Set([one]));
    for (const observation of await all<Observation>('Observation')) {
      expect(observation.valueQuantity ?? observation.valueCodeableConcept ?? observation.component).toBeUndefined();
    }
    const [report] = await all<DiagnosticReport>('DiagnosticReport');
    expect([report?.conclusion, report?.result, report?.imagingStudy]).toEqual([undefined, undefined, undefined]);
    const [study] = await all<ImagingStudy>('ImagingStudy');
    expect([study?.series, study?.endpoint, study?.numberOfInstances]).toEqual([undefined, undefined, undefined]);
    expect((await all<Task>('Task'))[0]?.output).toBeUndefined();
    const nullified = (
      await all<Resource & { activity?: { coding?: { code?: string }[] }; target?: unknown[] }>('Provenance')
    ).filter(({ activity }) => activity?.coding?.[0]?.code === 'NULLIFY');
    expect(nullified.map(({ target }) => target?.length)).toEqual([7]);

    expect(await drain()).toEqual([]);
    await quarantine();
    expect(await drain()).toEqual(['correction unchanged']);
    expect([...(await named()).values()].map(({ meta }) => meta?.versionId)).toEqual(
      [...now.values()].map(({ meta }) => meta?.versionId),
    );
    expect(await corrections()).toBe(1);
    expect(peers.leasesHeld).toBe(0);
  });

  it('brings the same resources back when a person releases it, each once', async () => {
    await publishWhole();
    const before = statuses(await named());
    await quarantine();
    await drain();
    const two = await patient('two');
    await link('decision-2', two);
    const ends = await drain();
    expect([...ends].sort()).toEqual(['correction published', 'imaging-study published', 'result published']);
    expect(ends[0]).toBe('correction published');
    const now = await named();
    expect(statuses(now)).toEqual(before);
    expect(patients(now)).toEqual(new Set([two]));
    const [report] = await all<DiagnosticReport>('DiagnosticReport');
    expect([report?.status, report?.result?.length]).toEqual(['preliminary', 4]);
    expect(await drain()).toEqual([]);
  });

  it('brings them back under the same Patient too', async () => {
    await publishWhole();
    const one = peers.decision.patientReference;
    const before = statuses(await named());
    await quarantine();
    await drain();
    await link('decision-2', one);
    await drain();
    expect(statuses(await named())).toEqual(before);
    expect(patients(await named())).toEqual(new Set([one]));
  });

  it('withdraws what a crash left unrecorded', async () => {
    await linked();
    await completed();
    await jobCompleted();
    publications.succeed = () => Promise.reject(new FhirUnavailableError('test', 'the process ended here'));
    await drain();
    expect((await named()).size).toBe(7);
    await endLeases();
    delete (publications as { succeed?: unknown }).succeed;
    await quarantine();
    expect(await drain()).toEqual(['correction published']);
    expect(new Set(Object.values(statuses(await named())))).toEqual(new Set(['entered-in-error']));
  });

  it('is withdrawn as soon as the FHIR server is back, and not at all when it was released before', async () => {
    await publishWhole();
    const one = peers.decision.patientReference;
    const { fhir } = dependencies;
    const down = () => Promise.reject(new FhirUnavailableError('POST transaction', 'ECONNREFUSED', 'not-sent'));
    setDependencies({ fhir: { find: (keys) => fhir.find(keys), transact: down } });
    await quarantine();
    expect(await drain()).toEqual(['correction retry']);
    await link('decision-2', one);
    setDependencies({ fhir });
    await makeDue();
    await drain();
    expect(Object.values(statuses(await named()))).not.toContain('entered-in-error');
    await quarantine('decision-q2');
    setDependencies({ fhir: { find: (keys) => fhir.find(keys), transact: down } });
    expect(await drain()).toEqual(['correction retry']);
    setDependencies({ fhir });
    await makeDue();
    expect(await drain()).toEqual(['correction published']);
    expect(new Set(Object.values(statuses(await named())))).toEqual(new Set(['entered-in-error']));
  });

  it('gives way to a release that was decided while it was being withdrawn', async () => {
    await publishWhole();
    const one = peers.decision.patientReference;
    await quarantine();
    peers.onConfirm = () => (peers.decision = { id: 'decision-2', patientReference: one });
    expect(await drain()).toEqual(['correction retry']);
    expect(Object.values(statuses(await named()))).not.toContain('entered-in-error');
  });

  it('counts no attempt that was under way as an answer', async () => {
    await publishWhole();
    const one = peers.decision.patientReference;
    await completed(2);
    const succeed = publications.settle.bind(publications);
    let told = false;
    publications.settle = async (claim, state) => {
      // The fact of the quarantine comes between the attempt and its record.
      if (!told) {
        told = true;
        await quarantine();
      }
      return succeed(claim, state);
    };
    await drain();
    delete (publications as { settle?: unknown }).settle;
    await drain();
    expect(new Set(Object.values(statuses(await named())))).toEqual(new Set(['entered-in-error']));
    await link('decision-2', one);
    await drain();
    expect(Object.values(statuses(await named()))).not.toContain('entered-in-error');
  });
});

describe('a link to another Patient', () => {
  it('leaves nothing under the old one: no superseded Task, no withdrawn Observation', async () => {
    const one = peers.decision.patientReference;
    await publishWhole();
    await secondRevision();
    expect((await all('Task')).length).toBe(2);
    const before = statuses(await named());
    expect(Object.values(before)).toContain('entered-in-error');
    const two = await patient('two');
    await link('decision-2', two);
    await drain();
    expect(await everything()).not.toContain(one);
    const now = await named();
    expect(statuses(now)).toEqual(before);
    // What the Provenance of either job speaks of is the new Patient's.
    const targets = (await all<Resource & { target?: { reference?: string }[] }>('Provenance')).flatMap(
      ({ target }) => target?.map(({ reference }) => reference ?? '') ?? [],
    );
    for (const target of targets) expect((now.get(target)?.subject ?? now.get(target)?.for)?.reference).toBe(two);
  });

  it('does so after a quarantine as well, and the superseded job is as it was', async () => {
    const one = peers.decision.patientReference;
    await publishWhole();
    await secondRevision();
    const before = statuses(await named());
    await quarantine();
    await drain();
    const two = await patient('two');
    await link('decision-2', two);
    await drain();
    expect(await everything()).not.toContain(one);
    expect(statuses(await named())).toEqual(before);
    const [report] = await all<DiagnosticReport>('DiagnosticReport');
    for (const task of await all<Task>('Task')) {
      expect(task.output?.[0]?.valueReference?.reference).toBe(`DiagnosticReport/${report?.id}`);
    }
    expect(report?.result?.length).toBe(3);
  });

  it('is not held up by a result that cannot be published again', async () => {
    const one = peers.decision.patientReference;
    await publishWhole();
    setDependencies({ labelMaps: { read: () => Promise.reject(new LabelMapUnreadableError('its object is gone')) } });
    const two = await patient('two');
    await link('decision-2', two);
    expect(await drain()).toContain('result parked');
    expect(await everything()).not.toContain(one);
    // And a quarantine still reaches it.
    await quarantine();
    await drain();
    expect(new Set(Object.values(statuses(await named())))).toEqual(new Set(['entered-in-error']));
  });
});

describe('a source corrected after publication', () => {
  const rename = (name: string): void => {
    for (const [uid, dataset] of tiny.instances) {
      peers.instances.set(uid, { ...dataset, '00100010': { vr: 'PN', Value: [{ Alphabetic: name }] } });
    }
  };
  async function resultsOfStudy(): Promise<string[]> {
    const [study] = await all<ImagingStudy>('ImagingStudy');
    return (study?.series ?? [])
      .filter(({ modality }) => modality?.code !== 'CT')
      .flatMap(({ instance }) => instance?.map(({ uid }) => uid ?? '') ?? []);
  }

  it('has its SEG and SR built again, and FHIR refers to these only', async () => {
    await publishWhole();
    const old = await resultsOfStudy();
    expect(old).toHaveLength(2);
    const before = statuses(await named());
    rename('Corrected^Name');
    peers.revision = 2;
    await completed(2);
    await drain();
    const now = await resultsOfStudy();
    expect(now).toHaveLength(2);
    expect(now.filter((uid) => old.includes(uid))).toEqual([]);
    expect(archive.stored).toEqual(expect.arrayContaining(now));
    for (const uid of now) {
      expect(peers.instances.get(uid)?.['00100010']?.Value?.[0]).toEqual({ Alphabetic: 'Corrected^Name' });
    }
    expect(await everything()).not.toContain(old[0]);
    expect(await everything()).not.toContain(old[1]);
    expect(statuses(await named())).toEqual(before);
    // Both generations are in the ledger of issued instances: neither is ever new input (rule 4).
    const { rows: kept } = await archiveDatabase.pool.query('select issued_by_callosum, revision from intake');
    expect(kept).toEqual(Array(4).fill({ issued_by_callosum: true, revision: 1 }));
    peers.revision = 3;
    await completed(3);
    expect(await drain()).toEqual(['result unchanged', 'imaging-study published']);
    expect(archive.stored).toHaveLength(4);
  });

  it('keeps its results as they are when nothing they copy has changed', async () => {
    await publishWhole();
    const [before] = await all<DiagnosticReport>('DiagnosticReport');
    peers.revision = 2;
    await completed(2);
    expect(await drain()).toEqual(['result unchanged', 'imaging-study published']);
    const [after] = await all<DiagnosticReport>('DiagnosticReport');
    expect(after?.meta?.versionId).toBe(before?.meta?.versionId);
    expect(archive.stored).toHaveLength(2);
  });
});

describe('failures of a publication', () => {
  const failing = (errors: readonly Error[]) => {
    const { fhir } = dependencies;
    const left = [...errors];
    setDependencies({
      fhir: {
        find: (keys) => fhir.find(keys),
        transact: (bundle: Bundle, ms) => {
          const error = left.shift();
          return error ? Promise.reject(error) : fhir.transact(bundle, ms);
        },
      },
    });
  };
  async function drainAll(): Promise<string[]> {
    const ends: string[] = [];
    for (let round = 0; round < 30; round++) {
      const now = await drain();
      if (now.length === 0) return ends;
      ends.push(...now);
      await makeDue();
    }
    return ends;
  }
  const outage = (): Error => new FhirUnavailableError('POST transaction', 'ECONNREFUSED', 'not-sent');
  const conflict = (): Error => new FhirRequestError('POST transaction', 412, ['conflict'], []);

  it('are counted by kind: a first refusal after a long outage is tried again', async () => {
    await linked();
    await jobCompleted();
    failing([...Array.from({ length: 12 }, outage), conflict(), outage(), conflict()]);
    expect(await drainAll()).toEqual([...Array<string>(15).fill('result retry'), 'result published']);
  });

  it('park what is refused again and again', async () => {
    await linked();
    await jobCompleted();
    failing(Array.from({ length: 30 }, conflict));
    expect(await drainAll()).toEqual([...Array<string>(7).fill('result retry'), 'result parked']);
    expect(await rows()).toEqual([{ kind: 'result', state: 'parked', error_code: 'fhir.request-failed' }]);
  });

  it('park an error nobody foresaw, with a code, instead of trying for ever', async () => {
    await linked();
    await jobCompleted();
    failing(Array.from({ length: 30 }, () => new TypeError('a defect')));
    expect(await drainAll()).toEqual([...Array<string>(7).fill('result retry'), 'result parked']);
    expect(await rows()).toEqual([{ kind: 'result', state: 'parked', error_code: 'results.unexpected-error' }]);
  });

  it('keep the lease when the write may still happen, and give it back when it cannot', async () => {
    await linked();
    await jobCompleted();
    failing([outage()]);
    await drain();
    expect(peers.leasesHeld).toBe(0);
    failing([new FhirUnavailableError('POST transaction', 'no answer in time')]);
    await makeDue();
    await drain();
    expect(peers.leasesHeld).toBe(1);
  });
});

describe('every resource written', () => passesTheValidator(written, Object.keys(whole)));
