import { join } from 'node:path';

import { tinySeries } from '@callosum/phantom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { query } from './harness/database.js';
import { eventually } from './harness/fhir.js';
import { startNonsenseWorker } from './harness/nonsense-worker.js';
import { python, root } from './harness/paths.js';
import { run } from './harness/processes.js';
import { send, smallPhantom } from './harness/studies.js';

type Json = Record<string, { readonly vr: string; readonly Value?: readonly unknown[] }>;
type Found = { readonly statuses: readonly number[]; readonly items: readonly (readonly [string, Json])[] };

const element = (vr: string, ...values: readonly unknown[]) => (values.length > 0 ? { vr, Value: values } : { vr });
const text = (item: Json | undefined, tag: string): unknown => item?.[tag]?.Value?.[0];
const dcm = 'http://dicom.nema.org/resources/ontology/DCM';
const ct = '1.2.840.10008.5.1.4.1.1.2';

describe("a modality's day", () => {
  let system: Callosum;
  beforeAll(async () => {
    // A study that nobody closes stays open longer than this test.
    const env = {
      CALLOSUM_QUIET_PERIOD_MS: '240000',
      CALLOSUM_RELEASED_QUIET_PERIOD_MS: '240000',
      CALLOSUM_WORKLIST_STATIONS: '{"CT":["CT1"]}',
    };
    system = await Callosum.start('modality-day', { worker: false, env });
    await post('Patient', {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:oid:1.2.3.4', value: 'DAY-1' }],
      name: [{ family: 'Müller', given: ['Anna'] }],
      birthDate: '1970-01-31',
      gender: 'female',
    });
  });
  afterAll(() => system?.stop());

  const post = async (type: string, resource: object): Promise<void> => {
    const response = await fetch(`${system.httpUrl}/fhir/${type}`, {
      method: 'POST',
      headers: { 'content-type': 'application/fhir+json' },
      body: JSON.stringify(resource),
    });
    if (!response.ok) throw new Error(`POST ${type}: ${response.status} ${await response.text()}`);
  };
  /** Orders for a chest CT, in one transaction. */
  const order = async (...orders: readonly (readonly [accession: string, more?: object])[]): Promise<void> => {
    const patient = await patientId();
    const entry = orders.map(([accession, more = {}]) => ({
      request: { method: 'POST', url: 'ServiceRequest' },
      resource: {
        resourceType: 'ServiceRequest',
        status: 'active',
        intent: 'order',
        subject: { reference: `Patient/${patient}` },
        identifier: [
          {
            type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'ACSN' }] },
            value: accession,
          },
        ],
        category: [{ coding: [{ system: 'http://snomed.info/sct', code: '363679005' }] }],
        code: { text: 'CT of the chest' },
        orderDetail: [{ coding: [{ system: dcm, code: 'CT' }] }],
        occurrenceDateTime: '2026-11-26T09:30:00+01:00',
        ...more,
      },
    }));
    await post('', { resourceType: 'Bundle', type: 'transaction', entry });
  };
  const patientId = async (identifier = 'DAY-1'): Promise<string> => {
    const response = await fetch(`${system.httpUrl}/fhir/Patient?identifier=${identifier}`);
    const { entry } = (await response.json()) as { entry: { resource: { id: string } }[] };
    return entry[0]?.resource.id ?? '';
  };
  const modality = async <T>(what: string, args: object): Promise<T> => {
    const script = join(root, 'libs/services/dimse-ingest/test-support/modality.py');
    const told = await run(python, [script, String(system.dimsePort), what, JSON.stringify(args)], {
      timeoutMs: 60_000,
    });
    if (told.code !== 0) throw new Error(`modality.py ${what}: ${told.stderr.slice(-2000)}`);
    return JSON.parse(told.stdout) as T;
  };
  const worklist = (keys: Json, scheduled: Json, charset?: string): Promise<Found> =>
    modality<Found>('worklist', {
      identifier: { ...keys, '00400100': element('SQ', scheduled) },
      ...(charset === undefined ? {} : { charset }),
    });
  const today: Json = {
    '00080060': element('CS', 'CT'),
    '00400001': element('AE', 'CT1'),
    '00400002': element('DA', '20261126'),
    '00400003': element('TM'),
  };
  const asked: Json = { '00080050': element('SH'), '00100010': element('PN'), '00100020': element('LO') };

  it('begins with its list: what is ordered for today, in the character set it reads, to pynetdicom and findscu', async () => {
    await order(
      ['ACC-TODAY'],
      ['ACC-TOMORROW', { occurrenceDateTime: '2026-11-27T09:30:00+01:00' }],
      ['ACC-DONE', { status: 'completed' }],
      ['ACC-LAB', { category: [{ coding: [{ system: 'http://snomed.info/sct', code: '108252007' }] }] }],
      ['ACC-UNDATED', { occurrenceDateTime: undefined, authoredOn: '2026-11-26T07:00:00+01:00' }],
    );
    const { statuses, items } = await worklist(asked, today, 'ISO_IR 192');
    expect(statuses).toEqual([0xff00, 0xff00, 0]);
    expect(items.map(([, item]) => text(item, '00080050')).sort()).toEqual(['ACC-TODAY', 'ACC-UNDATED']);
    const [charset, first] = items[0] ?? [];
    expect([charset, text(first, '00100010')]).toEqual(['ISO_IR 192', { Alphabetic: 'Müller^Anna' }]);
    expect(Object.keys(first ?? {}).sort()).toEqual(['00080005', '00080050', '00100010', '00100020', '00400100']);
    // Nobody asked in a set that has the umlaut: Latin 1 is what old modalities read.
    expect((await worklist({ ...asked, '00100010': element('PN', { Alphabetic: 'm*' }) }, today)).items[0]?.[0]).toBe(
      'ISO_IR 100',
    );
    const { stdout, stderr } = await run(
      'findscu',
      [
        '-v',
        '-W',
        '-aec',
        'CALLOSUM',
        '127.0.0.1',
        String(system.dimsePort),
        '-k',
        '0008,0050=ACC-TO*',
        '-k',
        '0010,0020',
        '-k',
        '(0040,0100)[0].(0008,0060)=CT',
      ],
      { timeoutMs: 30_000 },
    );
    const printed = stdout + stderr;
    expect(printed).toContain('ACC-TODAY');
    expect(printed).toContain('ACC-TOMORROW');
    expect(printed).not.toMatch(/ACC-UNDATED|ACC-LAB|ACC-DONE/);
  });

  it('has what was ordered for a patient who was merged into another, as who that is now', async () => {
    const merged = {
      resourceType: 'Patient',
      identifier: [{ system: 'urn:oid:1.2.3.4', value: 'DAY-OLD' }],
      name: [{ family: 'Mueller', given: ['A'] }],
      active: false,
      link: [{ type: 'replaced-by', other: { reference: `Patient/${await patientId()}` } }],
    };
    await post('Patient', merged);
    const occurrenceDateTime = '2027-02-01T10:00:00+01:00';
    const subject = { reference: `Patient/${await patientId('DAY-OLD')}` };
    await order(['MERGED-OLD', { subject, occurrenceDateTime }], ['MERGED-NEW', { occurrenceDateTime }]);
    const then = { ...today, '00400002': element('DA', '20270201') };
    const { items } = await worklist({ ...asked, '00100020': element('LO', 'DAY-1') }, then);
    const found = items.map(([, item]) => [text(item, '00080050'), text(item, '00100020'), text(item, '00100010')]);
    expect(found.sort()).toEqual([
      ['MERGED-NEW', 'DAY-1', { Alphabetic: 'Müller^Anna' }],
      ['MERGED-OLD', 'DAY-1', { Alphabetic: 'Müller^Anna' }],
    ]);
  });

  it('has pages of the record put together, and says what it did not match by and what it cannot read', async () => {
    const occurrenceDateTime = '2027-01-04T10:00:00+01:00';
    await order(...Array.from({ length: 110 }, (_, n) => [`PAGE-${n}`, { occurrenceDateTime }] as const));
    const then = { ...today, '00400002': element('DA', '20270104') };
    const { items } = await worklist(asked, then);
    expect(new Set(items.map(([, item]) => text(item, '00080050'))).size).toBe(110);
    expect((await worklist({ '00101030': element('DS', 70) }, then)).statuses[0]).toBe(0xff01);
    expect((await worklist(asked, { ...today, '00400002': element('DA', 'x') })).statuses).toEqual([0xa900]);
  });

  it('has an order that nobody dated as long as nobody ends it', async () => {
    const [now, then] = [0, 3].map((days) => new Date(Date.now() - days * 86_400_000).toISOString());
    await order(['ACC-OPEN', { occurrenceDateTime: undefined, authoredOn: then }]);
    const due = { ...today, '00400002': element('DA', now?.replace(/-|T.*/g, '')) };
    expect((await worklist(asked, due)).items.map(([, item]) => text(item, '00080050'))).toContain('ACC-OPEN');
  });

  it('goes on with what it does: its step ends, and the study is complete at once; its images are committed to', async () => {
    const { items } = await worklist(
      { ...asked, '0020000D': element('UI'), '00080050': element('SH', 'ACC-TODAY') },
      today,
    );
    const study = String(text(items[0]?.[1], '0020000D'));
    const overrides = {
      StudyInstanceUID: study,
      PatientName: 'Müller^Anna',
      PatientID: 'DAY-1',
      AccessionNumber: 'ACC-TODAY',
    };
    const made = tinySeries({ slices: 3, salt: 'modality-day', overrides });
    const uids = made.map(({ sopInstanceUid }) => sopInstanceUid);
    await modality('mpps', { operations: [['create', '1.2.9.1', begun(study)]] });
    await send(system, { instances: made.map((one, n) => ({ ...one, fileName: `${n}.dcm` })) });
    const ended = { ...performed(made), '00400252': element('CS', 'COMPLETED') };
    expect(await modality('mpps', { operations: [['set', '1.2.9.1', ended]] })).toEqual([[0, null]]);
    const revision = await eventually('the study is complete by stated counts', 60_000, async () => {
      const [row] = await query<{ evidence: string }>(
        system,
        'select evidence from study_index.revision where study_instance_uid = $1',
        [study],
      );
      return row;
    });
    expect(revision.evidence).toBe('COMPLETENESS_EVIDENCE_STATED_COUNT');
    const references = uids.map((uid) => [ct, uid]);
    const { reported } = await modality<{ reported: { type: number; committed: string[] }[] }>('commit', {
      transaction: '1.2.9.2',
      references,
    });
    expect(reported).toMatchObject([{ type: 1, committed: uids }]);
  });

  it('says that an examination was broken off: its jobs are there, held, and offered to nobody', async () => {
    const worker = startNonsenseWorker(`127.0.0.1:${system.grpcPort}`, 'day-model', () =>
      Promise.resolve({ measurements: [] }),
    );
    const patient = { patientId: 'DAY-1', patientName: 'Müller^Anna', birthDate: '19700131', sex: 'F' } as const;
    const made = smallPhantom({ uidSalt: 'modality-day', patient });
    const study = made.studyInstanceUid;
    await modality('mpps', { operations: [['create', '1.2.9.3', begun(study)]] });
    await send(system, made);
    const ended = { ...performed(made.instances), '00400252': element('CS', 'DISCONTINUED') };
    expect(await modality('mpps', { operations: [['set', '1.2.9.3', ended]] })).toEqual([[0, null]]);
    const jobs = await eventually('the job of the discontinued study', 60_000, async () => {
      const response = await fetch(`${system.httpUrl}/api/inference/jobs?study=${study}`);
      const told = (await response.json()) as { jobs: { modelId: string; heldReason: string }[] };
      return told.jobs.length > 0 && told.jobs;
    });
    expect(jobs).toMatchObject([{ heldReason: 'procedure-step-discontinued' }]);
    expect(worker.offers).toEqual([]);
    worker.close();
  });

  it('leaves no name, no ID and no accession number in the logs', () => {
    expect(system.logs()).not.toMatch(/Müller|M\\u00fcller|DAY-1|ACC-TO|PAGE-\d/);
  });
});

/** The N-CREATE of a step of this study. */
function begun(study: string): Json {
  const empty = (vr: string, ...tags: readonly string[]): Json =>
    Object.fromEntries(tags.map((tag) => [tag, element(vr)]));
  return {
    '00400270': element('SQ', {
      '0020000D': element('UI', study),
      '00080050': element('SH', 'ACC-TODAY'),
      ...empty('SQ', '00081110', '00400008'),
      ...empty('SH', '00401001', '00400009'),
      ...empty('LO', '00321060', '00400007'),
    }),
    '00100010': element('PN', { Alphabetic: 'Müller^Anna' }),
    '00100020': element('LO', 'DAY-1'),
    ...empty('DA', '00100030', '00400250'),
    ...empty('TM', '00400251'),
    ...empty('CS', '00100040'),
    ...empty('SQ', '00081120', '00081032', '00400260', '00400340'),
    ...empty('SH', '00400242', '00400243', '00200010'),
    ...empty('LO', '00400254', '00400255'),
    '00400253': element('SH', 'PPS1'),
    '00400241': element('AE', 'CT1'),
    '00400244': element('DA', '20261126'),
    '00400245': element('TM', '093500'),
    '00400252': element('CS', 'IN PROGRESS'),
    '00080060': element('CS', 'CT'),
    '00080005': element('CS', 'ISO_IR 100'),
  };
}

/** What it made, series by series, for the N-SET that ends it. */
function performed(
  instances: readonly { readonly seriesInstanceUid: string; readonly sopInstanceUid: string }[],
): Json {
  const series = new Set(instances.map(({ seriesInstanceUid }) => seriesInstanceUid));
  return {
    '00400250': element('DA', '20261126'),
    '00400251': element('TM', '094500'),
    '00400340': element(
      'SQ',
      ...[...series].map((uid) => ({
        '00081050': element('PN'),
        '00181030': element('LO', 'Thorax'),
        '00081070': element('PN'),
        '0020000E': element('UI', uid),
        '0008103E': element('LO'),
        '00080054': element('AE'),
        '00081140': element(
          'SQ',
          ...instances
            .filter(({ seriesInstanceUid }) => seriesInstanceUid === uid)
            .map((one) => ({ '00081150': element('UI', ct), '00081155': element('UI', one.sopInstanceUid) })),
        ),
        '00400220': element('SQ'),
      })),
    ),
  };
}
