import { join } from 'node:path';

import { storeFiles } from '@callosum/dimse';
import { tinyCt } from '@callosum/phantom';

import type { BenchOptions } from './bench-options.js';
import { fillIndex } from './fill-index.js';
import { TreeMeter, type TreeUse } from './process-tree.js';
import { find, type QueryKeys, type QueryTarget } from './query-scu.js';
import { benchAet, type Receiver, type ReceiverName, titleOf } from './receiver.js';
import { startNode } from './receivers/node.js';
import { type Orthanc, startOrthanc } from './receivers/orthanc.js';
import { interleaved, type Rounds, spreadOf } from './rounds.js';
import { returnKeys, studyDescription, studyOf, studyQueries, type StudyQuery, studyTime } from './studies.js';

export interface FindFigures {
  readonly studies: number;
  /** Who does not answer C-FIND. */
  readonly notOffered: readonly ReceiverName[];
  readonly queries: readonly QueryFigures[];
}

interface QueryFigures {
  readonly query: string;
  readonly matches: number;
  /** Milliseconds of one query in each round, and what it took. */
  readonly receivers: Readonly<Record<string, readonly QueryRound[]>>;
}

interface QueryRound {
  readonly ms: number;
  readonly use: Readonly<Record<string, TreeUse>>;
}

const lanes = 8;
const batchObjects = 500;

/**
 * C-FIND among so many studies, by DCMTK's findscu. This node's are written straight into its tables; Orthanc gets as many
 * objects of 8 × 8 pixels by C-STORE once, and keeps them.
 */
export async function benchFind(options: BenchOptions, receivers: readonly ReceiverName[]): Promise<FindFigures> {
  const { studies, print } = options;
  const answering = new Map<ReceiverName, Receiver>();
  const notOffered: ReceiverName[] = [];
  const queries: QueryFigures[] = [];
  try {
    for (const name of receivers) {
      const receiver = await startFilled(name, options);
      if (receiver) answering.set(name, receiver);
      else if (name === 'node') {
        notOffered.push(name);
        print(`C-FIND: not offered by this build: ${titleOf[name]} refuses its abstract syntax.`);
      }
    }
    for (const query of studyQueries(studies)) {
      const figures = await measure(query, answering, options);
      queries.push(figures);
    }
  } finally {
    for (const receiver of answering.values()) await receiver.stop();
  }
  const figures = { studies, notOffered, queries };
  print(report(figures));
  return figures;
}

/** Undefined for one that has no C-FIND. */
async function startFilled(name: ReceiverName, { places, studies }: BenchOptions): Promise<Receiver | undefined> {
  const began = Date.now();
  const tell = (): void =>
    void process.stderr.write(
      `find: ${name} has ${studies} studies after ${Math.round((Date.now() - began) / 1000)} s\n`,
    );
  if (name === 'node') {
    const dir = join(places.runs, 'node-find');
    const node = await startNode({ dir, databaseDir: places.database, withIndex: true });
    try {
      const { offered } = await find(node, asked({ StudyInstanceUID: studyOf(0).studyInstanceUid }), { count: true });
      if (!offered) {
        await node.stop();
        return undefined;
      }
      await fillIndex(node.database.admin, studies);
    } catch (error) {
      await node.stop();
      throw error;
    }
    tell();
    return node;
  }
  if (name !== 'orthanc') return undefined;
  const orthanc = await startOrthanc(join(places.root, `orthanc-${studies}`), { keep: true });
  try {
    await fillOrthanc(orthanc, studies);
  } catch (error) {
    await orthanc.stop();
    throw error;
  }
  tell();
  return orthanc;
}

/** Begins where an interrupted run ended; objects that are there are sent again without harm. */
async function fillOrthanc(orthanc: Orthanc, studies: number): Promise<void> {
  const there = await orthanc.studies();
  if (there === studies) return;
  const target = { host: '127.0.0.1', port: orthanc.port, calledAet: orthanc.aet, callingAet: benchAet };
  let next = Math.max(0, there - lanes * batchObjects);
  const lane = async (): Promise<void> => {
    while (next < studies) {
      const from = next;
      next += batchObjects;
      const files = Array.from({ length: Math.min(batchObjects, studies - from) }, (_, i) => objectOf(from + i));
      const outcomes = await storeFiles({ ...target, files });
      if (outcomes.some(({ stored }) => !stored)) throw new Error('Orthanc refused a study');
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const now = await orthanc.studies();
  if (now !== studies) throw new Error(`Orthanc has ${now} studies of ${studies}`);
}

function objectOf(n: number): Uint8Array {
  const { studyInstanceUid, seriesInstanceUid, sopInstanceUid, patientId, patientName, ...study } = studyOf(n);
  return tinyCt({
    StudyInstanceUID: studyInstanceUid,
    SeriesInstanceUID: seriesInstanceUid,
    SOPInstanceUID: sopInstanceUid,
    PatientID: patientId,
    PatientName: patientName,
    PatientBirthDate: study.patientBirthDate,
    StudyDate: study.studyDate,
    StudyTime: studyTime,
    AccessionNumber: study.accessionNumber,
    StudyDescription: studyDescription,
    Modality: study.modality,
  }).bytes;
}

const asked = (keys: QueryKeys): QueryKeys => ({ QueryRetrieveLevel: 'STUDY', ...returnKeys, ...keys });

async function measure(
  query: StudyQuery,
  answering: ReadonlyMap<ReceiverName, Receiver>,
  { studies, rounds }: BenchOptions,
): Promise<QueryFigures> {
  const matches = Array.from({ length: studies }, (_, n) => studyOf(n)).filter(query.matches).length;
  for (const [name, receiver] of answering) {
    const { pending } = await find(receiver, asked(query.keys), { count: true });
    if (pending !== matches) throw new Error(`${name} answers "${query.name}" with ${pending} of ${matches} studies`);
  }
  const runs = new Map<ReceiverName, () => Promise<QueryRound>>();
  for (const [name, receiver] of answering) runs.set(name, () => oneRound(query, receiver, receiver.processes));
  const results: Rounds<QueryRound> = await interleaved(runs, rounds, (round, name, { ms }) => {
    if (round > 0) process.stderr.write(`find, ${query.name}, round ${round}: ${name} ${ms.toFixed(1)} ms\n`);
  });
  return { query: query.name, matches, receivers: Object.fromEntries(results) };
}

/** Of a query that is repeated, the start of findscu and the association are taken off. */
async function oneRound(
  { keys, repeat }: StudyQuery,
  target: QueryTarget,
  processes: Readonly<Record<string, number>>,
): Promise<QueryRound> {
  const once = repeat > 1 ? (await find(target, asked(keys))).seconds : 0;
  const meter = new TreeMeter(processes);
  const { seconds } = await find(target, asked(keys), { repeat });
  const use = meter.stop();
  return { ms: (1000 * (seconds - once)) / Math.max(1, repeat - 1), use };
}

function report({ studies, queries }: FindFigures): string {
  const rows = queries.flatMap(({ query, matches, receivers }) =>
    Object.entries(receivers).map(([name, rounds]) => {
      const { median, least, most } = spreadOf(rounds.map(({ ms }) => ms));
      const last = rounds.at(-1)?.use ?? {};
      const memory = Object.entries(last).map(([part, { restMiB, peakMiB }]) => `${restMiB} → ${peakMiB} ${part}`);
      const cells = [
        query,
        matches,
        titleOf[name as ReceiverName],
        median.toFixed(1),
        `${least.toFixed(1)} – ${most.toFixed(1)}`,
      ];
      return `| ${[...cells, (matches / (median / 1000)).toFixed(0), memory.join(', ')].join(' | ')} |`;
    }),
  );
  return [
    `### C-FIND among ${studies.toLocaleString('en')} studies, Study Root, level STUDY`,
    '',
    '| query | matches | answered by | ms, median | least – most | answers/s | memory at rest → at most, MiB |',
    '|---|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}
