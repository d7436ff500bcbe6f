import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { parseFile, toDicomJson } from '@callosum/dicom';
import { tinySeries } from '@callosum/phantom';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { callosum } from './harness/cli.js';
import { type Collector, startCollector } from './harness/collector.js';
import { query } from './harness/database.js';
import { stow } from './harness/dicomweb.js';
import { eventually, waitForReport } from './harness/fhir.js';
import { GiveUp, type NonsenseWorker, startNonsenseWorker } from './harness/nonsense-worker.js';
import { newFolder } from './harness/paths.js';
import { leaksIn, leaksOf, planted } from './harness/planted.js';
import { smallPhantom, storescu, writeStudy } from './harness/studies.js';
import { type Told, toldBy } from './harness/telling.js';
import { sendTruncated } from './harness/truncated.js';

const { name, otherName, patientId, accessionNumber, birthDate, otherBirthDate } = planted;
const isoBirthDate = birthDate.replace(/(....)(..)(..)/, '$1-$2-$3');

const study = smallPhantom({
  uidSalt: 'no-phi',
  accessionNumber,
  patient: { patientId, patientName: name, birthDate, sex: 'F' },
});
const demographics = {
  PatientName: name,
  PatientID: patientId,
  PatientBirthDate: birthDate,
  PatientSex: 'F',
  AccessionNumber: accessionNumber,
  StudyDescription: `Thorax of ${name}`,
  SeriesDescription: `${patientId} axial`,
  ReferringPhysicianName: otherName,
};
const object = (salt: string, more: Record<string, unknown> = {}) => {
  const [made] = tinySeries({ slices: 1, salt: `no-phi-${salt}`, overrides: { ...demographics, ...more } as never });
  if (!made) throw new Error('no object');
  return made;
};
const other = { PatientName: otherName, PatientBirthDate: otherBirthDate, PatientSex: 'M' };

const file = (bytes: Uint8Array): string => {
  const folder = newFolder('object');
  mkdirSync(folder, { recursive: true });
  const path = join(folder, 'object.dcm');
  writeFileSync(path, bytes);
  return path;
};

const volume = (value: number, id = 'volume') => ({
  id,
  concept: { value: '118565006', scheme: 'SCT', meaning: 'Volume' },
  value,
  unit: { value: 'mL', scheme: 'UCUM', meaning: 'milliliter' },
});

describe('a scanner for patient data', () => {
  const text = `${name} ${patientId}`;
  it.each([
    ['as sent', 'PN Zephyrquill^Ottokarina'],
    ['folded to upper case', 'key ZEPHYRQUILL'],
    ['folded to lower case', 'key ottokarina'],
    ['percent-encoded', [...Buffer.from('zephyrquill')].map((byte) => `%${byte.toString(16)}`).join('')],
    [
      'percent-encoded twice',
      encodeURIComponent([...Buffer.from('pidqx')].map((byte) => `%${byte.toString(16)}`).join('')),
    ],
    ['escaped in JSON', [...'accqz'].map((char) => `\\u00${char.charCodeAt(0).toString(16)}`).join('')],
    ['in base64', Buffer.from(text).toString('base64')],
    ['in base64 behind another byte', Buffer.from(`:${text}`).toString('base64url')],
    ['in hexadecimal', Buffer.from(text).toString('hex')],
    ['in UTF-16', Buffer.from('x ottokarina', 'utf16le').toString('latin1')],
    ['as part of a Patient ID', 'id=58213047'],
    ['as a DA', '{"birth":"18790829"}'],
    ['as an ISO date', 'birthdate=1879-08-29'],
    ['as a date of the other order', '29.08.1879 and 07/31/1868'],
  ])('finds one %s', (_form, leak) => {
    expect(leaksIn(`{"msg":"something","value":"${leak}"}`)).not.toEqual([]);
  });

  it('takes neither UIDs nor digests nor trace ids for a date', () => {
    const ids = ['2.25.1187908291876543210987654321', 'ab18790829cdef0123456789abcdef01', '1.2.840.10008.5.1.4.1.1.2'];
    expect(ids.flatMap(leaksIn)).toEqual([]);
  });
});

describe('patient data in everything that is asked, sent and refused', () => {
  let collector: Collector;
  let system: Callosum;
  let workers: NonsenseWorker[] = [];
  let told: Told;
  /** What the command line printed. */
  const printed: string[] = [];
  /** What every HTTP request was answered. */
  const answered: { readonly path: string; readonly status: number }[] = [];

  const request = async (path: string, options: RequestInit = {}): Promise<Response> => {
    const response = await fetch(`${system.httpUrl}${path}`, options);
    answered.push({ path, status: response.status });
    return response;
  };
  const ask = async (path: string, options: RequestInit = {}): Promise<number> => {
    const response = await request(path, options);
    await response.arrayBuffer();
    return response.status;
  };
  const send = (path: string, type: string, body: string, method = 'POST', headers: Record<string, string> = {}) =>
    ask(path, { method, headers: { 'content-type': type, ...headers }, body });
  const cli = async (...args: readonly string[]) => {
    const ended = await callosum(system, ...args);
    printed.push(ended.stdout, ended.stderr);
    return ended;
  };

  beforeAll(async () => {
    collector = await startCollector();
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint, CALLOSUM_LOG_LEVEL: 'trace' };
    system = await Callosum.start('no-phi', { env });
    const start = (id: string, result: Parameters<typeof startNonsenseWorker>[2]) =>
      startNonsenseWorker(`127.0.0.1:${system.grpcPort}`, id, result);
    workers = [
      start('gives-up', () => Promise.reject(new GiveUp(`cannot read ${name}, born ${birthDate}, ${patientId}`))),
      start('warns', () =>
        Promise.resolve({
          measurements: [volume(4711)],
          warnings: [{ code: 'cut-off', message: `${name} (${accessionNumber}) is cut off` }],
        }),
      ),
      start('is-refused', () => Promise.resolve({ measurements: [volume(Number.NaN, name), volume(1, patientId)] })),
    ];
  }, 180_000);
  afterAll(async () => {
    for (const one of workers) one.close();
    await system?.stop();
    await collector?.close();
  });

  it('travels by C-STORE: taken, cut off, refused, and to another AE', async () => {
    const sent = await storescu(system, [writeStudy(study)]);
    expect(sent.code, sent.stderr).toBe(0);
    const cut = await sendTruncated(system, file(object('cut').bytes), 700);
    expect(cut.status).not.toBe(0);
    // No writer of ours puts a name where a UID belongs: the bytes are changed.
    const misnamed = object('refused');
    const bytes = Buffer.from(misnamed.bytes);
    const { studyInstanceUid } = misnamed;
    bytes.write('Zephyrquill'.padEnd(studyInstanceUid.length, '\0'), bytes.indexOf(studyInstanceUid), 'latin1');
    const refused = await storescu(system, [file(bytes)]);
    expect(refused.code).not.toBe(0);
    const elsewhere = await storescu(system, [file(object('elsewhere').bytes)], { calledAet: 'OTHER' });
    expect(elsewhere.code).not.toBe(0);
    await waitForReport(system.httpUrl, study.studyInstanceUid);
  });

  it('travels by STOW-RS: taken, in conflict, malformed, and under another study', async () => {
    const one = object('stow');
    expect((await stow(system.httpUrl, [one.bytes])).status).toBe(200);
    const pixels = object('stow', { RescaleIntercept: -1000, PixelData: Buffer.alloc(128, 7) });
    expect((await stow(system.httpUrl, [pixels.bytes])).status).toBeLessThan(300);
    const contents = [Buffer.from(`no DICOM of ${name}`), one.bytes.subarray(0, 800)];
    expect((await stow(system.httpUrl, contents)).status).toBe(409);
    expect((await stow(system.httpUrl, [one.bytes], `studies/${study.studyInstanceUid}`)).status).toBe(409);
    expect(await send('/dicom-web/studies', `multipart/related; boundary=${patientId}`, name)).toBeGreaterThanOrEqual(
      400,
    );
    const related = `multipart/related; type="application/dicom"; boundary=x`;
    expect(await send('/dicom-web/studies', related, `--x\r\nContent-Type: text/${patientId}\r\n\r\n${name}`)).toBe(
      415,
    );
    expect(await send(`/dicom-web/studies/${patientId}`, 'application/dicom', name)).toBeGreaterThanOrEqual(400);
  });

  it('travels by STOW-RS as metadata: taken, incomplete, malformed, and in addresses of bulk data', async () => {
    const type = 'application/dicom+json';
    const { '7FE00010': _pixels, ...json } = toDicomJson(parseFile(object('metadata').bytes).dataset, {
      omitBulkData: true,
    });
    const uid = (salt: string) => ({ '00080018': { vr: 'UI', Value: [object(salt).sopInstanceUid] } });
    const store = (...datasets: unknown[]) => send('/dicom-web/studies', type, JSON.stringify(datasets));
    expect(await store(json)).toBe(200);
    const wrong: readonly unknown[] = [
      demographics,
      { ...json, ...uid('names'), '00100010': { vr: 'PN', Value: [[name]] } },
      { ...json, ...uid('vr'), '00100010': { vr: name, Value: [patientId] } },
      { ...json, ...uid('number'), '00280010': { vr: 'US', Value: [patientId] } },
      { ...json, ...uid('base64'), '00091010': { vr: 'OB', InlineBinary: name } },
      { ...json, ...uid('address'), '7FE00010': { vr: 'OW', BulkDataURI: `http://elsewhere/${patientId}/${name}` } },
      { ...json, '00080018': { vr: 'UI', Value: [patientId] } },
      { ...json, '0020000D': { vr: 'UI', Value: [name] } },
    ];
    for (const one of wrong) expect(await store(one), JSON.stringify(one).slice(0, 200)).toBe(409);
    expect(await store(json, ...wrong)).toBe(202);
    const broken = JSON.stringify([{ ...json, ...uid('broken') }]);
    expect(await send('/dicom-web/studies', type, broken.slice(0, broken.indexOf('Ottokarina') + 4))).toBe(400);
    expect(await send('/dicom-web/studies', type, broken.replace('"Alphabetic"', `${name}`))).toBe(409);
    expect(await send('/dicom-web/studies', type, JSON.stringify(name))).toBe(400);
    const parts = [
      `--x\r\nContent-Type: ${type}\r\n\r\n${broken}\r\n`,
      `--x\r\nContent-Type: application/octet-stream\r\nContent-Location: ${patientId}/${name}\r\n\r\n${name}\r\n--x--\r\n`,
    ];
    expect(await send('/dicom-web/studies', `multipart/related; type="${type}"; boundary=x`, parts.join(''))).toBe(202);
  });

  it('travels through QIDO-RS and WADO-RS, found, not found and refused', async () => {
    const accept = { headers: { accept: 'application/dicom+json' } };
    const found = [
      `PatientName=${encodeURIComponent('Zephyr*')}`,
      `PatientName=${encodeURIComponent(name)}&fuzzymatching=true`,
      `PatientID=${patientId}`,
      `00100030=${birthDate}`,
      `AccessionNumber=${accessionNumber}&includefield=all`,
    ];
    for (const query of found) expect(await ask(`/dicom-web/studies?${query}`, accept), query).toBe(200);
    for (const query of [
      `PatientBirthDate=${isoBirthDate}`,
      `PatientBirthDate=${encodeURIComponent(name)}`,
      `limit=${patientId}`,
      `offset=${birthDate}x`,
      `${patientId}=1`,
      `StudyInstanceUID=${encodeURIComponent(name)}`,
      `PatientName=%zz${patientId}`,
      `includefield=${encodeURIComponent(name)}`,
    ])
      await ask(`/dicom-web/studies?${query}`, accept);
    const uid = study.studyInstanceUid;
    for (const path of [
      `studies/${encodeURIComponent(name)}/series`,
      `studies/${patientId}/metadata`,
      `studies/${uid}/series/${patientId}/instances`,
      `studies/${uid}/series/1.2.3/instances/${encodeURIComponent(name)}/frames/1`,
      `studies/${uid}/rendered?window=${encodeURIComponent(name)}`,
      `studies/${uid}/thumbnail?viewport=${patientId}`,
      `wado?requestType=WADO&studyUID=${uid}&seriesUID=${patientId}&objectUID=${encodeURIComponent(name)}`,
      `${encodeURIComponent(name)}?PatientID=${patientId}`,
      `%zz/${patientId}`,
    ])
      expect(await ask(`/dicom-web/${path}`), path).toBeGreaterThanOrEqual(400);
    expect(await ask(`/dicom-web/studies/${uid}/thumbnail?PatientID=${patientId}`)).toBe(200);
    expect(await ask(`/dicom-web/studies/${uid}`, { headers: { accept: `image/${patientId}` } })).toBe(406);
    expect(await ask(`/dicom-web/studies/${uid}/metadata`, accept)).toBe(200);
  });

  it('travels through FHIR: found, invalid, missing, refused by a precondition and in a transaction', async () => {
    const type = 'application/fhir+json';
    for (const query of [`name=Zephyrquill`, `identifier=${patientId}`, `birthdate=${isoBirthDate}`])
      expect(await ask(`/fhir/Patient?${query}`), query).toBe(200);
    expect(await send('/fhir/Patient/_search', 'application/x-www-form-urlencoded', `name=Zephyrquill`)).toBeLessThan(
      500,
    );
    for (const path of [
      `Patient?birthdate=${encodeURIComponent(name)}`,
      `Patient?${patientId}=1`,
      `Patient?name:${patientId}=x`,
      `Patient?_count=${patientId}`,
      `Patient?_sort=${encodeURIComponent(name)}`,
      `Patient/${patientId}`,
      `Patient/${patientId}/_history/${birthDate}`,
      `Zephyrquill/${patientId}`,
      `Zephyrquill?name=Ottokarina`,
      `Patient/${encodeURIComponent(name)}`,
      `%zz${patientId}`,
    ])
      expect(await ask(`/fhir/${path}`), path).toBeGreaterThanOrEqual(400);
    const patient = { resourceType: 'Patient', name: [{ family: 'Zephyrquill' }], birthDate: isoBirthDate };
    const put = (body: object, headers: Record<string, string>) =>
      send('/fhir/Patient/planted', type, JSON.stringify({ ...patient, ...body, id: 'planted' }), 'PUT', headers);
    expect(await put({}, {})).toBe(201);
    expect(await put({}, { 'if-match': `W/"${birthDate}"` })).toBe(412);
    const bodies: [string, number][] = [
      [`{"resourceType":"Patient","name":"${name}`, 400],
      [JSON.stringify({ ...patient, birthDate: patientId }), 400],
      [JSON.stringify({ ...patient, [patientId]: name }), 400],
      [JSON.stringify({ resourceType: 'Zephyrquill', id: patientId }), 400],
    ];
    for (const [body] of bodies) expect(await send('/fhir/Patient', type, body), body).toBeGreaterThanOrEqual(400);
    const entry = (url: string, resource: object, more: object = {}) => ({
      resource,
      request: { method: 'POST', url, ...more },
    });
    for (const entries of [
      [entry('Observation', { resourceType: 'Observation', subject: { reference: `Patient?name=${name}` } })],
      [entry('Patient', patient, { ifNoneExist: `identifier=${patientId}&${patientId}=1` })],
      [{ request: { method: 'PUT', url: `Patient?identifier=${patientId}&birthdate=${name}` }, resource: patient }],
      [{ request: { method: 'GET', url: `Patient/${patientId}` } }],
      [{ request: { method: patientId, url: name } }],
    ]) {
      const bundle = { resourceType: 'Bundle', type: 'transaction', entry: entries };
      expect(await send('/fhir', type, JSON.stringify(bundle)), JSON.stringify(entries)).toBeGreaterThanOrEqual(400);
    }
    expect(await send('/fhir/Patient', `text/${patientId}`, name)).toBeGreaterThanOrEqual(400);
    expect(await ask('/fhir/Patient/planted', { method: 'DELETE' })).toBeLessThan(300);
    expect(await ask('/fhir/Patient/planted')).toBe(410);
  });

  it('travels through quarantine, wrong decisions, a link and a correction', async () => {
    const one = object('quarantined', other);
    expect((await stow(system.httpUrl, [one.bytes])).status).toBe(200);
    const decisionId = await eventually('it is quarantined', 60_000, async () => {
      const { decisions } = (await (await request('/api/identity/quarantine')).json()) as {
        decisions: { decisionId: string; studyInstanceUid: string }[];
      };
      return decisions.find(({ studyInstanceUid }) => studyInstanceUid === one.studyInstanceUid)?.decisionId;
    });
    const json = 'application/json';
    const resolve = (body: unknown, id = decisionId) =>
      send(`/api/identity/quarantine/${id}/resolve`, json, typeof body === 'string' ? body : JSON.stringify(body));
    for (const body of [
      `{"decidedBy":"${name}"`,
      { action: name, decidedBy: patientId },
      { action: 'link', patient: `Patient/${patientId}`, decidedBy: 'the desk' },
      { action: 'link', patient: name, decidedBy: 'the desk' },
      { action: 'reject', decidedBy: '', [patientId]: birthDate },
      [name],
    ])
      expect(await resolve(body)).toBe(400);
    const rejection = { action: 'reject', decidedBy: 'the desk' };
    expect(await resolve(rejection, encodeURIComponent(name))).toBe(404);
    expect(await resolve(rejection, `${patientId}%zz`)).toBe(400);
    for (const path of [
      `/api/identity/decisions/${patientId}`,
      `/api/identity/quarantine?limit=${patientId}`,
      `/api/identity/quarantine?include=${encodeURIComponent(name)}`,
      `/api/inference/jobs?study=${encodeURIComponent(name)}`,
      `/api/inference/selection/${patientId}?model=${encodeURIComponent(name)}`,
      `/api/${patientId}`,
    ])
      expect(await ask(path), path).toBeGreaterThanOrEqual(400);
    // Somebody of that name may sit at the desk: people's names are no metric either.
    expect(await resolve({ action: 'create-patient', decidedBy: otherName })).toBe(200);
    const corrected = object('correction', { PatientName: 'Ottokarina^Zephyrquill' });
    expect((await stow(system.httpUrl, [object('correction').bytes, corrected.bytes])).status).toBe(200);
  });

  it('travels in links to the viewer and in headers', async () => {
    for (const path of [
      `/viewer/viewer?StudyInstanceUIDs=${study.studyInstanceUid}&patientName=${encodeURIComponent(name)}`,
      `/viewer/${patientId}/${encodeURIComponent(name)}`,
      `/viewer/?mrn=${patientId}`,
      `/${encodeURIComponent(name)}?PatientID=${patientId}`,
      `/%zz${patientId}`,
    ])
      await ask(path);
    const headers = {
      authorization: `Bearer ${patientId}`,
      'user-agent': `Zephyrquill/1.0 (${patientId})`,
      referer: `http://ehr.example/patient/${patientId}`,
      baggage: `patient=${patientId}`,
      tracestate: `ehr=${patientId}`,
      traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`,
      'x-request-id': patientId,
      cookie: `mrn=${patientId}`,
    };
    expect(await ask('/dicom-web/studies?limit=1', { headers })).toBe(200);
    expect(await ask(`/fhir/Patient/${patientId}`, { headers })).toBe(404);
  });

  it('travels through a fact that is parked, the commands, and a rebuilt index', async () => {
    const one = object('parked');
    await query(
      system,
      `create function identity_mapping.refuse() returns trigger language plpgsql as $$
       begin
         if new.study_instance_uid = '${one.studyInstanceUid}' then raise exception 'refused' using errcode = '22000'; end if;
         return new;
       end $$`,
    );
    await query(
      system,
      'create trigger refuse before insert on identity_mapping.decision for each row execute function identity_mapping.refuse()',
    );
    expect((await stow(system.httpUrl, [one.bytes])).status).toBe(200);
    await eventually('its facts are parked', 60_000, async () => {
      const rows = await query(system, 'select 1 from identity_mapping.parked where key = $1', [one.studyInstanceUid]);
      return rows.length > 0;
    });
    const at = ['--group', 'identity-mapping', '--topic', 'imaging.study.updated.v1', '--key', one.studyInstanceUid];
    expect((await cli('parked', 'list')).stdout).toContain(one.studyInstanceUid);
    expect((await cli('parked', 'show', ...at)).code).toBe(0);
    expect((await cli('parked', 'replay', ...at)).code).toBe(1);
    expect((await cli('trace', one.studyInstanceUid)).stdout).toContain('a person to mend and replay');
    expect((await cli('trace', study.studyInstanceUid, '--json')).code).toBe(0);
    expect((await cli('trace', object('quarantined', other).studyInstanceUid)).code).toBe(0);
    expect((await cli('reindex', '--settled', '0')).code).toBe(0);
  });

  it('is in nothing that is told to those who run the system', async () => {
    // Spans leave within half a second of their end, gauges are read every five.
    await sleep(6_000);
    told = await toldBy(system, collector);
    const least = {
      'log lines of the worker': 1,
      'parked facts and publications, with their codes': 1,
      'facts in outboxes': 0,
    };
    for (const [sink, pieces] of Object.entries({ ...told, 'output of the command line': printed })) {
      expect(pieces.length, sink).toBeGreaterThanOrEqual(sink in least ? least[sink as keyof typeof least] : 5);
      expect(leaksOf(pieces), sink).toEqual([]);
    }
  });

  it('has been everywhere: taken, refused and asked for', () => {
    const said = told['log lines of the services'].join('\n');
    for (const event of [
      'assoc.rejected',
      'store.refused',
      'identity.decided',
      'identity.resolved',
      'attempt.failed',
      'fhir.refused',
      'event.parked',
    ])
      expect(said).toContain(`"${event}"`);
    expect(workers.flatMap(({ refusals }) => refusals).length).toBeGreaterThan(0);
    // The viewer says 503 where it is not installed.
    expect(answered.filter(({ path, status }) => status >= 500 && !path.startsWith('/viewer'))).toEqual([]);
    const statuses = new Set(answered.map(({ status }) => status));
    for (const status of [200, 400, 404, 406, 410, 412, 415]) expect(statuses).toContain(status);
  });

  it('would have been found in every one of these places', async () => {
    // As a calling AE title it is what logs, spans, metrics and events are there to tell.
    const sent = await storescu(system, [file(object('found').bytes)], { callingAet: 'ZEPHYRQUILL' });
    expect(sent.code, sent.stderr).toBe(0);
    appendFileSync(join(system.dataDir, 'lung-ct.log'), `{"msg":"read","patient":"${name}"}\n`);
    await query(system, `select 'Zephyrquill'::int`).catch(() => undefined);
    await query(system, `update identity_mapping.parked set error_code = $1`, [patientId]);
    const columns = 'topic, key, event_id, type, source, time, site, correlation_id, value';
    // Relays never pass an open writing transaction: what is committed meanwhile waits in its outbox.
    const held = query(system, 'select pg_current_xact_id(), pg_sleep(12)');
    await sleep(500);
    await query(
      system,
      `insert into study_index.outbox (${columns})
       select topic, key, 'planted', type, source, time, site, correlation_id, $1 from event_log.events limit 1`,
      [`{"n":"${name}"}`],
    );
    await sleep(6_000);
    const now: Told = await toldBy(system, collector);
    await held;
    const found = Object.fromEntries(
      Object.entries(now).map(([sink, pieces]: [string, readonly string[]]) => [sink, leaksOf(pieces).length > 0]),
    );
    expect(found).toEqual(Object.fromEntries(Object.keys(now).map((sink) => [sink, true])));
  });
});
