import { Readable } from 'node:stream';

import { type Attributes, datasetOf, writeFile } from '@callosum/dicom';
import {
  AssociationRejectedError,
  echo,
  isStored,
  PeerUnreachableError,
  readPart10,
  ScuAssociation,
  type ScuOptions,
  storeFiles,
} from '@callosum/dimse';
import { CallosumError, errorCode, systemClock } from '@callosum/kernel';
import { Drain } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import { parseSettings } from '@callosum/config';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { EntityList } from '../../adapters/entity-list.js';
import { NetworkAddresses } from '../../adapters/network-addresses.js';
import { AdmitPeer } from '../../application/admit-peer.js';
import { AnnounceRelease } from '../../application/announce-release.js';
import { StoreInstance } from '../../application/store-instance.js';
import { dimseIngestSettings } from '../../settings.js';
import { MemoryAnnouncer, MemoryArchive } from '../../test-support/memory-archive.js';
import { DimseListener } from './dimse-listener.js';

let archive: MemoryArchive;
let announcer: MemoryAnnouncer;
let listener: DimseListener;
let logLines: string[];
let drain: Drain;

beforeEach(() => start());
afterEach(() => listener.beforeApplicationShutdown());

async function start(): Promise<void> {
  archive = new MemoryArchive();
  announcer = new MemoryAnnouncer();
  logLines = [];
  drain = new Drain(300);
  const logger = createLogger('dimse-ingest', 'debug', { write: (line: string) => void logLines.push(line) });
  const settings = parseSettings(dimseIngestSettings, { CALLOSUM_DIMSE_PORT: '0' });
  listener = new DimseListener(
    settings,
    new StoreInstance(archive),
    new AnnounceRelease(announcer, systemClock),
    new AdmitPeer(new EntityList(settings.CALLOSUM_DIMSE_AES), new NetworkAddresses()),
    [],
    logger,
    drain,
    { onChanged: () => undefined },
  );
  await listener.onApplicationBootstrap();
}

const to = (calledAet = 'CALLOSUM'): ScuOptions => ({
  host: '127.0.0.1',
  port: listener.port,
  calledAet,
  callingAet: 'CT1',
});
const attributes = {
  SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
  SOPInstanceUID: '1.2.3.4',
  PatientName: 'Secret^Name',
  PatientID: 'SECRET-ID',
  StudyInstanceUID: '1.2.3',
  SeriesInstanceUID: '1.2.3.1',
  PixelData: new Uint8Array(1_000),
};
const file = (changes: Attributes = {}): Buffer =>
  Buffer.from(writeFile(datasetOf({ ...attributes, ...changes }), { implementationClassUid: '1.2.3' }));
const statusOf = async (...files: Buffer[]): Promise<(string | undefined)[]> => {
  const outcomes = await storeFiles({ ...to(), files });
  return outcomes.map(({ status }) => status?.toString(16));
};
/** The file with its meta information naming something else: command and dataset differ. */
const retold = (bytes: Buffer, from: string, into: string): Buffer => {
  const copy = Buffer.from(bytes);
  copy.write(into, copy.indexOf(from), 'latin1');
  return copy;
};
const until = async (condition: () => boolean): Promise<void> => {
  for (const deadline = Date.now() + 5_000; !condition(); await new Promise((resolve) => setTimeout(resolve, 5))) {
    if (Date.now() > deadline) throw new Error('it did not happen within five seconds');
  }
};

describe('an association', () => {
  it('that calls another AE title is rejected 1/1/7 and logged', async () => {
    const error = await echo(to('SOMEONE')).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AssociationRejectedError);
    expect(error).toMatchObject({ result: 1, source: 1, reason: 7 });
    expect(logLines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
      expect.objectContaining({ msg: 'assoc.rejected', aet: 'CT1', called: 'SOMEONE' }),
    );
  });

  it.each([
    ['a NUL', 'CT\0EVIL'],
    ['a backslash', 'CT\\1'],
    ['a control character', 'CT\x1b1'],
    ['nothing', '                '],
  ])('whose calling AE title has %s is rejected 1/1/3, and nothing repeats it', async (_, callingAet) => {
    const error = await echo({ ...to(), callingAet }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(AssociationRejectedError);
    expect(error).toMatchObject({ result: 1, source: 1, reason: 3 });
    expect(logLines.map((line) => JSON.parse(line) as unknown)).toContainEqual(
      expect.objectContaining({ msg: 'assoc.rejected', aet: 'invalid', called: 'CALLOSUM' }),
    );
  });

  it('announces each study it stored something of, once it is released', async () => {
    await storeFiles({
      ...to(),
      files: [file(), file({ SOPInstanceUID: '1.2.3.5' }), file({ SOPInstanceUID: '9.1', StudyInstanceUID: '9' })],
    });
    await until(() => announcer.announced.length > 0);
    expect(
      announcer.announced.map(({ studyInstanceUid, instanceCount, source }) => [
        studyInstanceUid,
        instanceCount,
        source,
      ]),
    ).toEqual([
      ['1.2.3', 2, 'CT1'],
      ['9', 1, 'CT1'],
    ]);
    expect(new Set(announcer.announced.map(({ associationId }) => associationId))).toEqual(
      new Set(archive.committed.map(({ object }) => object.associationId)),
    );
  });

  it('that stored nothing announces nothing', async () => {
    await echo(to());
    archive.failing = 'begin';
    await statusOf(file());
    await until(() => logLines.filter((line) => line.includes('assoc.released')).length === 2);
    expect(announcer.announced).toEqual([]);
  });
});

describe('when the process is asked to end', () => {
  it('no new association is taken, an open one stores on, and one that stays open is aborted at the end of the grace', async () => {
    const context = { abstractSyntaxUid: attributes.SOPClassUID, transferSyntaxUids: ['1.2.840.10008.1.2.1'] };
    const open = await ScuAssociation.open(to(), [context]);
    const idle = await ScuAssociation.open(to(), [context]);
    drain.begin();
    const beganAt = Date.now();
    await expect(echo(to())).rejects.toBeInstanceOf(PeerUnreachableError);
    const { sopClassUid, sopInstanceUid, transferSyntaxUid, datasetOffset } = await readPart10(file());
    const contextId = open.contextFor(sopClassUid, transferSyntaxUid);
    const dataset = Readable.from([file().subarray(datasetOffset)]);
    expect(await open.store(contextId, sopClassUid, sopInstanceUid, () => dataset)).toMatchObject({ status: 0 });
    await open.release();
    await until(() => announcer.announced.length === 1);
    await listener.beforeApplicationShutdown();
    expect(Date.now() - beganAt).toBeGreaterThanOrEqual(290);
    expect(Date.now() - beganAt).toBeLessThan(20_000);
    const ends = logLines.map((line) => JSON.parse(line) as { msg: string; code?: string });
    expect(ends.filter(({ msg }) => msg === 'assoc.aborted').map(({ code }) => code)).toEqual(['dimse.shutting-down']);
    idle.abort();
  });
});

describe('a C-STORE', () => {
  it('gives the archive the bytes as they came, with what the command said', async () => {
    expect(await statusOf(file())).toEqual(['0']);
    const { datasetOffset } = await readPart10(file());
    expect(archive.committed[0]?.bytes.equals(file().subarray(datasetOffset))).toBe(true);
    expect(archive.committed[0]).toMatchObject({
      object: { callingAet: 'CT1', sopInstanceUid: '1.2.3.4', transferSyntaxUid: '1.2.840.10008.1.2.1' },
      uids: { studyInstanceUid: '1.2.3', seriesInstanceUid: '1.2.3.1' },
    });
  });

  it.each([
    ['another SOP Instance UID', retold(file(), '1.2.3.4', '1.2.3.9')],
    ['another SOP Class UID', retold(file(), '1.2.840.10008.5.1.4.1.1.2', '1.2.840.10008.5.1.4.1.1.4')],
  ])('whose command names %s is refused with A900', async (_name, bytes) => {
    expect(await statusOf(bytes)).toEqual(['a900']);
    expect(archive).toMatchObject({ committed: [], open: 0, aborted: 1 });
  });

  it.each([
    ['lacks StudyInstanceUID', file({ StudyInstanceUID: undefined })],
    ['has an empty SeriesInstanceUID', file({ SeriesInstanceUID: '' })],
    ['is cut off inside Pixel Data', file().subarray(0, -10)],
    ['is garbage after its meta information', Buffer.concat([file().subarray(0, 300), Buffer.alloc(5_000, 0x41)])],
    ['is empty', file().subarray(0, 144 + file().readUInt32LE(140))],
  ])('whose dataset %s is refused with C000 and leaves nothing', async (_name, bytes) => {
    expect(await statusOf(bytes)).toEqual(['c000']);
    expect(archive).toMatchObject({ committed: [], open: 0 });
  });

  it.each(['begin', 'write', 'commit'] as const)(
    'that the archive has no room for at %s is refused with A700; the next is stored',
    async (step) => {
      archive.failing = step;
      expect(await statusOf(file())).toEqual(['a700']);
      expect(archive.open).toBe(0);
      archive.failing = undefined;
      expect(await statusOf(file())).toEqual(['0']);
    },
  );

  it('that the archive refuses by policy is a Cxxx, and one that meets a defect 0110', async () => {
    archive.failing = 'commit';
    archive.commitError = new CallosumError('archive.other-pixels', 'conflict', 'refused');
    expect(await statusOf(file())).toEqual(['c000']);
    archive.commitError = new TypeError('a defect');
    expect(await statusOf(file())).toEqual(['110']);
  });

  it('that the protocol refuses is counted and logged, and what stands in place of a UID is not', async () => {
    const association = await ScuAssociation.open(to(), [
      { abstractSyntaxUid: '1.2.840.10008.1.1', transferSyntaxUids: ['1.2.840.10008.1.2'] },
      { abstractSyntaxUid: attributes.SOPClassUID, transferSyntaxUids: ['1.2.840.10008.1.2.1'] },
    ]);
    const once = async function* () {
      yield await Promise.resolve(Buffer.alloc(8));
    };
    const other = await association.store(3, '1.2.840.10008.5.1.4.1.1.4', 'SECRET-ID', once);
    expect(other.status).not.toBe(0);
    const lines = logLines.filter((line) => line.includes('store.refused'));
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { instance: 'invalid', code: 'dimse.refused-by-protocol' },
    ]);
    await association.release();
    await until(() => logLines.some((line) => line.includes('assoc.released')));
    expect(JSON.parse(logLines.find((line) => line.includes('assoc.released')) ?? '{}')).toMatchObject({ refused: 1 });
    expect(logLines.join('')).not.toContain('SECRET-ID');
  });

  it('cut off by an abort leaves nothing and announces nothing', async () => {
    // Slower than the grace, whatever the machine.
    archive.writeMs = 20;
    const stores = storeFiles({ ...to(), files: [file({ PixelData: new Uint8Array(50_000_000) })] }).then(
      () => 'stored',
      errorCode,
    );
    await until(() => archive.open === 1);
    await listener.beforeApplicationShutdown();
    expect(await stores).toBe('dimse.association-aborted');
    expect(archive).toMatchObject({ committed: [], open: 0, aborted: 1 });
    expect(announcer.announced).toEqual([]);
    expect(logLines.some((line) => line.includes('assoc.aborted'))).toBe(true);
  });

  it('never brings names or ids of patients into the logs', async () => {
    await statusOf(file(), file({ StudyInstanceUID: undefined }), file().subarray(0, -10));
    await until(() => logLines.some((line) => line.includes('assoc.released')));
    expect(logLines.join('')).not.toMatch(/secret/i);
    expect(logLines.filter((line) => line.includes('store.refused'))).toHaveLength(2);
  });
});

describe('stored means committed', () => {
  it('success is sent only after the archive has committed', async () => {
    let committed = false;
    const begin = archive.begin.bind(archive);
    archive.begin = async (object) => {
      const writer = await begin(object);
      return {
        ...writer,
        commit: async (uids) => {
          await new Promise((resolve) => setTimeout(resolve, 100));
          committed = true;
          return writer.commit(uids);
        },
      };
    };
    const seen: boolean[] = [];
    await storeFiles({
      ...to(),
      files: [file()],
      onProgress: ({ status }) => seen.push(committed && isStored(status ?? -1)),
    });
    expect(seen).toEqual([true]);
  });
});
