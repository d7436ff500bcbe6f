import { type Attributes, datasetOf, type DicomJson, encodeDataset, parseDataset, toDicomJson } from '@callosum/dicom';
import { type Answer, type Match, type ProposedContext, ScuAssociation } from '@callosum/dimse';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { FindMatches } from '../../application/find-matches.js';
import {
  IdentifierError,
  IndexUnavailableError,
  MatchTooLargeError,
  SearchTooBroadError,
} from '../../domain/query-errors.js';
import { explicitLe, matches, MemoryIndex } from '../../test-support/query.js';
import { serveServices, type ServedServices } from '../../test-support/serve-services.js';
import { QueryService } from './query.service.js';

const [patientRoot, studyRoot] = ['1.2.840.10008.5.1.4.1.2.1.1', '1.2.840.10008.5.1.4.1.2.2.1'];

let index: MemoryIndex;
let node: ServedServices;
let association: ScuAssociation | undefined;
beforeEach(async () => {
  index = new MemoryIndex();
  node = await serveServices(new QueryService(new FindMatches(index, 'CALLOSUM')));
});
afterEach(async () => {
  association?.abort();
  await node.server.close(0);
  expect(node.errors).toEqual([]);
});

async function open(...contexts: ProposedContext[]): Promise<ScuAssociation> {
  const to = { host: '127.0.0.1', port: node.port, calledAet: 'CALLOSUM', callingAet: 'VIEWER' };
  const standard = [patientRoot, studyRoot].map((abstractSyntaxUid) => ({
    abstractSyntaxUid,
    transferSyntaxUids: [explicitLe],
  }));
  return (association = await ScuAssociation.open(to, contexts.length > 0 ? contexts : standard));
}

const identifierOf = (attributes: Attributes, characterSet = ''): Buffer =>
  Buffer.from(
    encodeDataset(datasetOf(attributes), { transferSyntaxUid: explicitLe, characterSets: [characterSet] }).bytes,
  );

interface Found {
  readonly items: Match[];
  readonly final: Answer;
}

async function find(scu: ScuAssociation, identifier: Buffer, root = studyRoot): Promise<Found> {
  const asked = scu.find(scu.contextFor(root), identifier);
  const items: Match[] = [];
  for (;;) {
    const next = await asked.next();
    if (next.done) return { items, final: next.value };
    items.push(next.value);
  }
}
const everyStudy: Attributes = { QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '' };
const study = (uid: string, more: Attributes = {}): DicomJson => datasetOf({ StudyInstanceUID: uid, ...more });
const read = (match: Match | undefined) => parseDataset(match?.identifier ?? Buffer.alloc(0), explicitLe).dataset;

describe('a C-FIND', () => {
  it('that searches for long keeps none waiting, of its AE neither, and the index is told who asks', async () => {
    let looking = 0;
    let goOn: () => void = () => undefined;
    const long = new Promise<void>((resolve) => (goOn = resolve));
    index.answer = async function* () {
      if (++looking <= 3) await long;
      yield* matches(study('1.2'));
    };
    const identifier = identifierOf(everyStudy);
    const scus: ScuAssociation[] = [];
    for (const callingAet of ['VIEWER', 'VIEWER', 'OTHER', 'VIEWER', 'THIRD']) {
      const to = { host: '127.0.0.1', port: node.port, calledAet: 'CALLOSUM', callingAet };
      scus.push(await ScuAssociation.open(to, [{ abstractSyntaxUid: studyRoot, transferSyntaxUids: [explicitLe] }]));
    }
    const theirs = scus.slice(0, 3).map((scu) => find(scu, identifier));
    await expect.poll(() => looking).toBe(3);
    for (const scu of scus.slice(3)) expect((await find(scu, identifier)).final.status).toBe(0);
    goOn();
    for (const { final } of await Promise.all(theirs)) expect(final.status).toBe(0);
    const askers = index.searches.map(({ asker }) => asker).sort();
    expect(askers).toEqual(['aet:OTHER', 'aet:THIRD', 'aet:VIEWER', 'aet:VIEWER', 'aet:VIEWER']);
    await Promise.all(scus.map((scu) => scu.release()));
  });

  it('answers with what was asked for and what only this node knows', async () => {
    index.answer = () => matches(study('1.2', { PatientName: 'Doe^Jane' }));
    const asked = { ...everyStudy, PatientName: 'doe*', InstanceAvailability: '' };
    const { items, final } = await find(await open(), identifierOf(asked));
    expect(final.status).toBe(0);
    expect(items.map(({ status }) => status)).toEqual([0xff00]);
    expect(toDicomJson(read(items[0]))).toEqual({
      '00080052': { vr: 'CS', Value: ['STUDY'] },
      '00080054': { vr: 'AE', Value: ['CALLOSUM'] },
      '00080056': { vr: 'CS', Value: ['ONLINE'] },
      '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Doe^Jane' }] },
      '0020000D': { vr: 'UI', Value: ['1.2'] },
    });
    expect(index.searches[0]?.keys).toEqual([
      { path: '00100010', value: 'doe*' },
      { path: '0020000D', value: '' },
    ]);
  });

  it.each<[string, Attributes, number]>([
    ['what is there now', { InstanceAvailability: 'ONLINE' }, 1],
    ['what is not', { InstanceAvailability: 'OFFLINE' }, 0],
    ['one of several', { InstanceAvailability: ['NEARLINE', 'ONLINE'] }, 1],
    ['who sends it', { RetrieveAETitle: 'CALL*' }, 1],
    ['somebody else', { RetrieveAETitle: 'OTHER' }, 0],
  ])('is matched by %s', async (_, asked, found) => {
    index.answer = () => matches(study('1.2'));
    const { items, final } = await find(await open(), identifierOf({ ...everyStudy, ...asked }));
    expect([items.length, final.status]).toEqual([found, 0]);
  });

  it("writes names in the requestor's character set, and in UTF-8 where that lacks a character", async () => {
    const names = ['Müller^Jürgen', 'Ковалёв^Иван', 'Yamada^Tarou=山田^太郎=やまだ^たろう', '王^小东'];
    index.answer = () => matches(...names.map((PatientName, i) => study(`1.${i}`, { PatientName })));
    const scu = await open();
    for (const [characterSet, taken] of [
      // Who names none may be of the time before Unicode.
      ['', ['ISO_IR 100', 'ISO_IR 192', 'ISO_IR 192', 'ISO_IR 192']],
      ['ISO_IR 100', ['ISO_IR 100', 'ISO_IR 192', 'ISO_IR 192', 'ISO_IR 192']],
      ['ISO_IR 144', ['ISO_IR 192', 'ISO_IR 144', 'ISO_IR 192', 'ISO_IR 192']],
      ['\\ISO 2022 IR 87', ['ISO_IR 192', 'ISO 2022 IR 87', '\\ISO 2022 IR 87', 'ISO_IR 192']],
      ['GB18030', ['GB18030', 'GB18030', 'GB18030', 'GB18030']],
      ['ISO_IR 192', ['ISO_IR 192', 'ISO_IR 192', 'ISO_IR 192', 'ISO_IR 192']],
    ] as const) {
      const { items } = await find(scu, identifierOf({ ...everyStudy, PatientName: '' }, characterSet));
      const sets = items.map((item) => read(item).strings('SpecificCharacterSet').join('\\'));
      expect(
        sets.map((set) => set.replace(/^\\/, '')),
        characterSet,
      ).toEqual(taken.map((set) => set.replace(/^\\/, '')));
      expect(items.map((item) => read(item).string('PatientName'))).toEqual(names);
    }
  });

  it('reads keys in the character set they are sent in', async () => {
    const scu = await open();
    for (const [name, characterSet] of [
      ['Müller*', 'ISO_IR 100'],
      ['山田*', '\\ISO 2022 IR 87'],
      ['김희중', '\\ISO 2022 IR 149'],
      ['王小*', 'GB18030'],
      ['王小*', 'ISO_IR 192'],
    ] as const)
      await find(scu, identifierOf({ ...everyStudy, PatientName: name }, characterSet));
    const asked = index.searches.map(({ keys }) => keys.find(({ path }) => path === '00100010')?.value);
    expect(asked).toEqual(['Müller*', '山田*', '김희중', '王小*', '王小*']);
  });

  it('says which matches are not by all keys, and leaves out what no VR holds', async () => {
    index.answer = async function* () {
      const dataset = { ...study('1.2'), '00080060': { vr: 'CS', Value: ['A\\B'] } };
      yield await Promise.resolve({ dataset, unsupportedKeys: ['00091001'] });
    };
    const { items } = await find(await open(), identifierOf(everyStudy));
    expect(items.map(({ status }) => status)).toEqual([0xff01]);
    expect(read(items[0]).string('Modality')).toBeUndefined();
    expect(read(items[0]).string('StudyInstanceUID')).toBe('1.2');
  });

  it.each<[string, Error, number, Partial<Answer>]>([
    ['too broad', new SearchTooBroadError(), 0xa700, {}],
    ['without the index', new IndexUnavailableError(), 0xa700, { comment: 'dimse-ingest.index-unavailable' }],
    [
      'with a match that is too large',
      new MatchTooLargeError(),
      0xc000,
      { comment: 'a match is larger than 63 MiB: ask for fewer attributes' },
    ],
    ['that cannot be matched', new IdentifierError('no date', ['00080020']), 0xa900, { offendingElements: [0x80020] }],
  ])('%s is refused', async (_, error, status, details) => {
    index.answer = async function* () {
      yield* matches(study('1.2'));
      throw error;
    };
    const failed = await find(await open(), identifierOf(everyStudy)).catch((thrown: unknown) => thrown);
    expect(failed).toMatchObject({ status, ...details });
    expect(node.refused).toHaveLength(1);
  });

  it('without its hierarchy is refused with the element at fault, and tells nobody what was asked for', async () => {
    const series = identifierOf({ QueryRetrieveLevel: 'SERIES', PatientID: 'SECRET-ID', PatientName: 'Secret^Name' });
    const scu = await open();
    for (const root of [studyRoot, patientRoot])
      await expect(find(scu, series, root)).rejects.toMatchObject({
        status: 0xa900,
        offendingElements: [0x0020000d],
      });
    await expect(find(scu, Buffer.from('no dataset'))).rejects.toMatchObject({ status: 0xc000 });
    expect(node.refused).toHaveLength(3);
    expect(node.refused.join()).not.toMatch(/secret/i);
  });

  it('has what was agreed on beyond the baseline', async () => {
    const scu = await open({
      abstractSyntaxUid: studyRoot,
      transferSyntaxUids: [explicitLe],
      extendedNegotiation: Uint8Array.of(1, 1, 1, 1, 1),
    });
    expect(scu.extendedNegotiation).toEqual([{ sopClassUid: studyRoot, information: Buffer.from([1, 1, 1, 0, 0]) }]);
    await find(scu, identifierOf({ QueryRetrieveLevel: 'IMAGE', SOPInstanceUID: '1.5' }));
    expect(index.searches).toMatchObject([
      { level: 'IMAGE', fuzzyNames: true, combinedDatetime: true, emptyValues: false },
    ]);
  });
});

describe('many matches', () => {
  it('are no more than the peer reads, and end with its C-CANCEL', async () => {
    let made = 0;
    let ended = false;
    index.answer = async function* (_search, signal) {
      try {
        // Each of 8 KiB: what buffers of the system hold is soon full.
        for (; made < 100_000 && !signal.aborted; made++)
          yield* matches(study(`1.${made}`, { ImageComments: 'x'.repeat(8_192) }));
      } finally {
        ended = true;
      }
    };
    const scu = await open();
    const cancel = new AbortController();
    const asked = scu.find(scu.contextFor(studyRoot), identifierOf(everyStudy), { signal: cancel.signal });
    expect(read((await asked.next()).value as Match).string('StudyInstanceUID')).toBe('1.0');
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(made).toBeLessThan(20_000);
    cancel.abort();
    for (;;) {
      const next = await asked.next();
      if (!next.done) continue;
      expect(next.value.status).toBe(0xfe00);
      break;
    }
    expect(ended).toBe(true);
    expect(made).toBeLessThan(30_000);
    // The association goes on.
    index.answer = () => matches(study('1.2'));
    expect((await find(scu, identifierOf(everyStudy))).items).toHaveLength(1);
  });
});
