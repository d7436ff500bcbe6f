import { tinyCt } from '@callosum/phantom';
import pg from 'pg';

import { goalText } from '../dimse/goals.js';
import { TreeMeter } from '../dimse/process-tree.js';
import type { BenchDatabase } from '../dimse/receivers/postgres.js';
import { fillStudies, studyInstanceUidOf } from './fill.js';
import { closedLoop, HttpClient, stowRequest } from './http-client.js';
import type { DicomwebOptions } from './options.js';
import type { Receiver } from './receiver.js';
import type { Bench } from './receivers.js';
import { startNode } from './receivers/node.js';
import { startOrthanc } from './receivers/orthanc.js';
import { percentileCells, type Percentiles, percentiles, tableOf } from './report.js';

export interface SearchFigures {
  readonly studies: number;
  readonly receiver: string;
  readonly query: string;
  readonly ms: Percentiles;
  /** Bytes of one answer, the mean. */
  readonly byteCount: number;
  /** Milliseconds of processor of one search, by process. */
  readonly processorMs: Readonly<Record<string, number>>;
}

/** Orthanc gets its studies one by one: it is asked among this many, and no more. */
const orthancStudiesMax = 1_000;
const matchesMax = 50;
/** Of whose attributes searches are made. */
const sampleRows = 500;
/** What each kind of search is before it counts: code that is compiled, pages that are in memory. */
const warmUpShare = 0.1;
const promisedMs = 20;
const promisedGrowth = 1.5;

interface Sample {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
  readonly patientId: string;
  readonly name: string;
  readonly accession: string;
  readonly date: string;
  readonly modality: string;
  readonly description: string;
}

const asked = (keys: Readonly<Record<string, string>>): string =>
  `/studies?${new URLSearchParams({ ...keys, limit: String(matchesMax) }).toString()}`;
const family = ({ name }: Sample): string => name.slice(0, name.indexOf('^'));

/** Those of which something is promised, and what a viewer's list sends while somebody types. */
const promised: Readonly<Record<string, (sample: Sample) => string>> = {
  'one StudyInstanceUID': ({ study }) => asked({ StudyInstanceUID: study }),
  'one PatientID': ({ patientId }) => asked({ PatientID: patientId }),
  'one AccessionNumber': ({ accession }) => asked({ AccessionNumber: accession }),
  'a day and a modality': ({ date, modality }) => asked({ StudyDate: date, ModalitiesInStudy: modality }),
  'the beginning of a name': (sample) => asked({ PatientName: `${family(sample)}*` }),
};
const besides: Readonly<Record<string, (sample: Sample) => string>> = {
  'the newest': () => asked({}),
  'a word of a name': (sample) => asked({ PatientName: family(sample), fuzzymatching: 'true' }),
  'the middle of a PatientID': ({ patientId }) => asked({ PatientID: `*${patientId.slice(2, 8)}*` }),
  'half of all, by description': () => asked({ StudyDescription: '*NATIV*' }),
};

/**
 * QIDO-RS at the level of studies, by many clients at once, among more and more studies. This site's are written straight
 * into its tables; Orthanc has the first thousand of the same.
 */
export async function benchQido({ options, receivers }: Bench): Promise<readonly SearchFigures[]> {
  const figures: SearchFigures[] = [];
  for (const studies of options.studies) {
    const node = await startNode(options.places);
    try {
      await fillStudies(node.database.admin, studies);
      const samples = await ready(node.database, studies);
      if (receivers.includes('node')) figures.push(...(await measure(node, samples, studies, options)));
      if (!receivers.includes('orthanc') || studies > orthancStudiesMax) continue;
      const orthanc = await startOrthanc(options.places);
      try {
        await storeAll(
          orthanc,
          await samplesOf(
            node.database,
            Array.from({ length: studies }, (_, n) => n),
          ),
        );
        figures.push(...(await measure(orthanc, samples, studies, options)));
      } finally {
        await orthanc.stop();
      }
    } finally {
      await node.stop();
    }
  }
  options.print(report(figures, options));
  return figures;
}

/** Waits until all that a search reads is written; gives studies to ask for. */
async function ready(database: BenchDatabase, studies: number): Promise<Sample[]> {
  for (;;) {
    const [row] = await rowsOf<{ missing: boolean }>(
      database,
      'select exists (select from study_index.study where text_digest is null) as missing',
    );
    if (row?.missing === false) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  await rowsOf(database, 'vacuum (analyze) study_index.study, study_index.study_text');
  await rowsOf(database, 'checkpoint');
  const step = Math.max(1, Math.floor(studies / sampleRows));
  return samplesOf(
    database,
    Array.from({ length: Math.min(studies, sampleRows) }, (_, i) => i * step),
  );
}

const samplesOf = (database: BenchDatabase, numbers: readonly number[]): Promise<Sample[]> =>
  rowsOf<Sample>(
    database,
    `select study_instance_uid as study, series_instance_uid as series, sop_instance_uid as instance,
      patient_id as "patientId", patient_name as name, accession_number as accession, study_date as date,
      modalities[1] as modality, study_description as description
     from study_index.study join study_index.instance using (study_instance_uid)
     where study_instance_uid = any($1) order by study_instance_uid`,
    [numbers.map(studyInstanceUidOf)],
  );

async function rowsOf<T extends object>(
  { admin: { host, port, user, password, database } }: BenchDatabase,
  text: string,
  values: readonly unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client({ host, port, user, password, database });
  await client.connect();
  try {
    return (await client.query<T & pg.QueryResultRow>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

const objectsAtOnce = 200;

async function storeAll({ base }: Receiver, samples: readonly Sample[]): Promise<void> {
  const client = new HttpClient(base);
  try {
    for (let from = 0; from < samples.length; from += objectsAtOnce) {
      const objects = samples.slice(from, from + objectsAtOnce).map(
        (sample) =>
          tinyCt({
            StudyInstanceUID: sample.study,
            SeriesInstanceUID: sample.series,
            SOPInstanceUID: sample.instance,
            PatientID: sample.patientId,
            PatientName: sample.name,
            AccessionNumber: sample.accession,
            StudyDate: sample.date,
            Modality: sample.modality,
            StudyDescription: sample.description,
          }).bytes,
      );
      await client.ask('/studies', stowRequest(objects));
    }
  } finally {
    client.close();
  }
}

async function measure(
  receiver: Receiver,
  samples: readonly Sample[],
  studies: number,
  { searchers, searches }: DicomwebOptions,
): Promise<SearchFigures[]> {
  const clients = Array.from({ length: searchers }, () => new HttpClient(receiver.base));
  const figures: SearchFigures[] = [];
  try {
    for (const [query, pathOf] of Object.entries({ ...promised, ...besides })) {
      let bytes = 0;
      const ask = async (client: number, request: number): Promise<number> => {
        // Each search is of another study than the one before, in the same order for everybody.
        const sample = samples[(request * 7_919) % samples.length];
        if (!sample) throw new RangeError('there are no studies');
        const answered = await clients[client]?.ask(pathOf(sample), { headers: { accept: 'application/dicom+json' } });
        bytes += answered?.byteCount ?? 0;
        return answered?.ms ?? Number.NaN;
      };
      await closedLoop(searchers, Math.ceil(searches * warmUpShare), ask);
      bytes = 0;
      const meter = new TreeMeter(receiver.processes, false);
      const times = await closedLoop(searchers, searches, ask);
      const use = Object.entries(meter.stop());
      const processorMs = use.map(([name, { processorSeconds }]) => [name, (1_000 * processorSeconds) / searches]);
      figures.push({
        studies,
        receiver: receiver.name,
        query,
        ms: percentiles(times),
        byteCount: Math.round(bytes / searches),
        processorMs: Object.fromEntries(processorMs) as Record<string, number>,
      });
      process.stderr.write(
        `qido, ${studies} studies, ${receiver.name}: ${query} ${percentiles(times).p99.toFixed(1)} ms\n`,
      );
    }
  } finally {
    for (const client of clients) client.close();
  }
  return figures;
}

function report(figures: readonly SearchFigures[], { searchers, searches, studies }: DicomwebOptions): string {
  const rows = figures.map(({ studies: among, receiver, query, ms, byteCount, processorMs }) => [
    query,
    among.toLocaleString('en'),
    receiver,
    ...percentileCells(ms),
    byteCount.toLocaleString('en'),
    Object.entries(processorMs)
      .map(([name, one]) => `${one.toFixed(2)} ${name}`)
      .join(', '),
  ]);
  return [
    `### QIDO-RS, ${searchers} clients, ${searches} searches of each kind, ${matchesMax} matches at most`,
    '',
    tableOf(['search', 'studies', 'of', 'p50 ms', 'p90', 'p99', 'most', 'bytes', 'processor ms a search'], rows),
    '',
    ...goals(figures, Math.min(...studies), Math.max(...studies)),
    '',
  ].join('\n');
}

/** Times as fast as was promised: 1 is just so. */
function goals(figures: readonly SearchFigures[], least: number, most: number): string[] {
  const p99 = (query: string, studies: number): number =>
    figures.find((one) => one.receiver === 'node' && one.query === query && one.studies === studies)?.ms.p99 ??
    Number.NaN;
  return Object.keys(promised).flatMap((query) => {
    const [small, large] = [p99(query, least), p99(query, most)];
    return [
      goalText({ goal: `${query}: p99 under ${promisedMs} ms`, wanted: 1, found: promisedMs / large }),
      goalText({
        goal: `${query}: p99 at most ${promisedGrowth} × that among ${least.toLocaleString('en')}`,
        wanted: 1,
        found: (promisedGrowth * small) / large,
      }),
    ];
  });
}
