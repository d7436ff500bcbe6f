import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';

import {
  datasetOf,
  encodeDataset,
  implementationClassUid,
  parseDataset,
  parseFile,
  writeFileMeta,
} from '@callosum/dicom';
import { type ProposedContext, ScuAssociation } from '@callosum/dimse';
import type { Orthanc } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Callosum } from './harness/callosum.js';
import { folderOf, qido, textAt } from './harness/dicomweb.js';
import { filesOf, keptOf, uidsOf } from './harness/equal.js';
import { eventually } from './harness/fhir.js';
import { judge } from './harness/judge.js';
import { judgeOrthanc, startWithOrthanc, type SystemWithOrthanc, upload } from './harness/orthanc.js';
import { smallPhantom, storescu, writeStudy } from './harness/studies.js';

const studyRoot = '1.2.840.10008.5.1.4.1.2.2';
const [find, move, get] = [`${studyRoot}.1`, `${studyRoot}.2`, `${studyRoot}.3`];
const explicitVrLittleEndian = '1.2.840.10008.1.2.1';
const ctImageStorage = '1.2.840.10008.5.1.4.1.1.2';

let both: SystemWithOrthanc;
let system: Callosum;
let orthanc: Orthanc;
beforeAll(async () => {
  both = await startWithOrthanc('orthanc-query', ['E2E']);
  ({ system, orthanc } = both);
});
afterAll(() => both.stop());

/** Each file is kept, equal element by element. */
async function expectKept(files: readonly string[]): Promise<void> {
  const sent = folderOf(files.map((file) => readFileSync(file)));
  expect(await judge('kept', sent, await keptOf(system, files))).toMatchObject({
    instances: files.length,
    differences: [],
  });
}

const phantom = (uidSalt: string): string[] => filesOf(writeStudy(smallPhantom({ uidSalt, slices: 12, matrix: 64 })));
const nameIn = (files: readonly string[]): string =>
  parseFile(readFileSync(files[0] ?? '')).dataset.string('PatientName') ?? '';
const studyOf = (files: readonly string[]): string => uidsOf(readFileSync(files[0] ?? '')).study;

describe('Orthanc asks the node', () => {
  const files = phantom('asked-by-orthanc');
  const study = studyOf(files);
  interface Query {
    readonly ID: string;
  }
  const query = async (level: string, keys: Record<string, string>): Promise<Record<string, string>[]> => {
    const { ID } = await orthanc.rest<Query>('/modalities/callosum/query', { Level: level, Query: keys });
    const numbers = await orthanc.rest<string[]>(`/queries/${ID}/answers`);
    return Promise.all(
      numbers.map((number) =>
        orthanc.rest<Record<string, string>>(`/queries/${ID}/answers/${number}/content?simplify`),
      ),
    );
  };

  beforeAll(async () => {
    expect((await storescu(system, files)).code).toBe(0);
    await eventually('the whole study in the index', 20_000, async () => {
      const [found] = await qido(system.httpUrl, `studies?StudyInstanceUID=${study}`);
      return Number(textAt(found, '00201208')) === files.length;
    });
  });

  it('finds a study by part of the name, its series and its instances', async () => {
    const name = nameIn(files);
    const [found] = await query('Study', {
      StudyInstanceUID: study,
      PatientName: `${name.slice(0, 4).toLowerCase()}*`,
    });
    expect(found).toMatchObject({ StudyInstanceUID: study, PatientName: name });
    const uids = files.map((file) => uidsOf(readFileSync(file)));
    const series = await query('Series', { StudyInstanceUID: study, SeriesInstanceUID: '', Modality: 'CT' });
    expect(series.map(({ SeriesInstanceUID }) => SeriesInstanceUID).sort()).toEqual(
      [...new Set(uids.map((one) => one.series))].sort(),
    );
    const SeriesInstanceUID = uids[0]?.series ?? '';
    const instances = await query('Instance', { StudyInstanceUID: study, SeriesInstanceUID, SOPInstanceUID: '' });
    expect(instances.map(({ SOPInstanceUID }) => SOPInstanceUID).sort()).toEqual(
      uids.flatMap(({ series: own, instance }) => (own === SeriesInstanceUID ? [instance] : [])).sort(),
    );
    expect(await query('Study', { StudyInstanceUID: '', PatientID: 'NOBODY' })).toEqual([]);
  });

  it('has the study moved to itself, every object equal', async () => {
    const { ID } = await orthanc.rest<Query>('/modalities/callosum/query', {
      Level: 'Study',
      Query: { StudyInstanceUID: study },
    });
    await orthanc.rest(`/queries/${ID}/retrieve`, { TargetAet: 'ORTHANC', Synchronous: true });
    expect(await judgeOrthanc(orthanc, files)).toMatchObject({ instances: files.length, differences: [] });
  });
});

describe('Orthanc is asked', () => {
  const files = phantom('kept-by-orthanc');
  const study = studyOf(files);
  const identifier = (attributes: Record<string, string>): Buffer =>
    Buffer.from(encodeDataset(datasetOf(attributes), { transferSyntaxUid: explicitVrLittleEndian }).bytes);
  const ofStudy = identifier({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study });
  const associated = async <T>(
    contexts: readonly ProposedContext[],
    work: (association: ScuAssociation) => Promise<T>,
  ): Promise<T> => {
    const to = { host: '127.0.0.1', port: orthanc.port, calledAet: orthanc.aet, callingAet: 'CALLOSUM' };
    const association = await ScuAssociation.open(to, contexts);
    try {
      const result = await work(association);
      await association.release();
      return result;
    } finally {
      association.abort();
    }
  };
  const context = (abstractSyntaxUid: string): ProposedContext => ({
    abstractSyntaxUid,
    transferSyntaxUids: [explicitVrLittleEndian],
  });

  beforeAll(() => upload(orthanc, files));

  it('for its study, which it tells as it is', async () => {
    const keys = identifier({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: study, PatientName: '', StudyDate: '' });
    const matches = await associated([context(find)], async (association) => {
      const found: Buffer[] = [];
      for await (const match of association.find(association.contextFor(find), keys)) found.push(match.identifier);
      return found.map((bytes) => parseDataset(bytes, explicitVrLittleEndian).dataset);
    });
    expect(matches.map((match) => match.string('PatientName'))).toEqual([nameIn(files)]);
  });

  it('to move it to the node, where every object arrives equal', async () => {
    const outcome = await associated([context(move)], (association) =>
      association.move(association.contextFor(move), 'CALLOSUM', ofStudy),
    );
    expect(outcome.status).toBe(0);
    await expectKept(files);
  });

  it('to give it on the same association, every object equal', async () => {
    const got: Buffer[] = [];
    const images = { ...context(ctImageStorage), roles: { scu: false, scp: true } };
    const outcome = await associated([context(get), images], (association) =>
      association.get(association.contextFor(get), ofStudy, {
        store: async ({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset }) => {
          const meta = writeFileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid, implementationClassUid });
          got.push(Buffer.concat([meta, await buffer(dataset)]));
          return { status: 0 };
        },
      }),
    );
    expect(outcome).toMatchObject({ status: 0, counts: { completed: files.length, failed: 0 } });
    expect(await judge('files', folderOf(files.map((file) => readFileSync(file))), folderOf(got))).toMatchObject({
      instances: files.length,
      differences: [],
    });
  });

  it('for a pull, which brings the study over', async () => {
    const pulled = phantom('pulled-from-orthanc');
    await upload(orthanc, pulled);
    const body = JSON.stringify({ source: 'ORTHANC', studyInstanceUid: studyOf(pulled) });
    const headers = { 'content-type': 'application/json' };
    const asked = await fetch(`${system.httpUrl}/api/dimse/pulls`, { method: 'POST', headers, body });
    expect(asked.status).toBe(202);
    const location = asked.headers.get('location') ?? '';
    const ended = await eventually('the pull has ended', 30_000, async () => {
      const pull = (await (await fetch(system.httpUrl + location)).json()) as { endedAt?: string };
      return pull.endedAt !== undefined && pull;
    });
    expect(ended).toMatchObject({ state: 'completed', instances: { received: pulled.length, failed: 0 } });
    await expectKept(pulled);
  });
});
