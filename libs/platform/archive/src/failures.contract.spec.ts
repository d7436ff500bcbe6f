import { execFile, execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { type DatabaseConfig, databaseDefaults, startEmbeddedPostgres } from '@callosum/database';
import { newId, uuidToUid } from '@callosum/kernel';
import { FileObjectStore } from '@callosum/object-store';
import { tinyCt } from '@callosum/phantom';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Archive, ArchiveUnavailableError, type Intake } from './index.js';
import { type OpenArchive, openArchive, prepareArchive } from './test-support/open-archive.js';

const run = promisify(execFile);
const postgres = await orSkip(startPostgres);
const dcmtk = await run('dcmcrle', ['--version']).then(
  () => undefined,
  () => 'DCMTK is not installed',
);
const folder = await mkdtemp(join(tmpdir(), 'callosum-archive-failures-'));
afterAll(async () => {
  await postgres.server?.stop();
  await rm(folder, { recursive: true, force: true });
});

const intake: Intake = { origin: 'dimse', source: 'CT1' };
const newUid = (): string => uuidToUid(newId());
const ct = (sopInstanceUid = newUid()): Buffer => Buffer.from(tinyCt({ SOPInstanceUID: sopInstanceUid }).bytes);
/** One byte of the element SOPInstanceUID (0008,0018) changed; explicit VR, its value begins at 8 with "2.25.". */
function patched(at: number, byte: number, bytes = ct()): Buffer {
  const element = bytes.indexOf(Buffer.from([0x08, 0x00, 0x18, 0x00, 0x55, 0x49]), 132);
  bytes[element + at] = byte;
  return bytes;
}
async function filesIn(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe.skipIf(postgres.missing)(`what the archive refuses${postgres.missing ? ` (${postgres.missing})` : ''}`, () => {
  let config: DatabaseConfig;
  let open: OpenArchive;
  let archive: Archive;
  let root: string;
  const opened: OpenArchive[] = [];

  beforeAll(async () => {
    config = await (postgres.server as TestPostgres).createDatabase();
    await prepareArchive(config);
    root = join(folder, 'objects');
    open = openWith(root);
    archive = open.archive;
  });
  afterAll(async () => {
    for (const one of opened) await one.database.close();
  });
  function openWith(
    objects: string,
    options: { diskFreeBytesMin?: number; outboxRowsMax?: number; port?: number } = {},
  ): OpenArchive {
    const store = new FileObjectStore({ root: objects, diskFreeBytesMin: options.diskFreeBytesMin ?? 0 });
    const one = openArchive({ ...config, port: options.port ?? config.port }, store, options.outboxRowsMax);
    opened.push(one);
    return one;
  }
  const rows = async (): Promise<number> => archive.count();

  const malformed: [string, string, () => Uint8Array][] = [
    ['an empty object', 'dicom', () => new Uint8Array()],
    ['what is not DICOM', 'dicom', () => Buffer.from('%PDF-1.7 '.repeat(1000))],
    ['a header cut off', '', () => ct().subarray(0, 400)],
    ['native pixels cut off', 'archive.truncated', () => ct().subarray(0, -2)],
    ['an object without SOPInstanceUID', 'archive.missing-uid', () => patched(2, 0x19)],
    ['an object without StudyInstanceUID', 'archive.missing-uid', () => tinyCt({ StudyInstanceUID: undefined }).bytes],
    [
      'an object without SeriesInstanceUID',
      'archive.missing-uid',
      () => tinyCt({ SeriesInstanceUID: undefined }).bytes,
    ],
    [
      'an object whose file meta information names another instance',
      'archive.uid-mismatch',
      // The digit at 14 becomes another one, whatever UID was drawn.
      () => patched(14, 0x39, ct(`2.25.11${newUid().slice('2.25.'.length + 2)}`)),
    ],
    [
      'an object whose file meta information names another class',
      'archive.uid-mismatch',
      // Media Storage SOP Class UID is the first value that begins so.
      () => {
        const bytes = ct();
        bytes.write('1.2.840.10008.5.1.4.1.1.4', bytes.indexOf('1.2.840.10008.5.1.4.1.1.2'), 'latin1');
        return bytes;
      },
    ],
    ['an object whose UID is none', 'archive.missing-uid', () => patched(10, 0x2e)],
  ];
  it('promises no instance whose bytes are gone, until they come again', async () => {
    const [one, two] = [newUid(), newUid()];
    for (const sop of [one, two]) await archive.store(ct(sop), intake);
    const kept = async () => [...(await archive.keptClasses([one, two])).keys()].sort();
    expect(await kept()).toEqual([one, two].sort());
    const { rows: lost } = await sql<{ key: string }>`select blob_key as key from intake
      where sop_instance_uid = ${one}`.execute(open.database.db);
    await new FileObjectStore({ root, diskFreeBytesMin: 0 }).delete(lost[0]?.key ?? '');
    expect(await kept()).toEqual([two]);
    expect((await archive.store(ct(one), intake)).status).toBe('stored');
    expect(await kept()).toEqual([one, two].sort());
  });

  it.each(malformed)('%s leaves neither blob nor row', async (_, code, bytes) => {
    const before = await rows();
    const files = await filesIn(root);
    const error: unknown = await archive.store(bytes(), intake).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ kind: 'invalid', code: expect.stringContaining(code) as string });
    expect(await rows()).toBe(before);
    expect(await filesIn(root)).toEqual(files);
  });

  it.skipIf(dcmtk)('encapsulated pixels cut off leave neither blob nor row', async () => {
    const [plain, rle] = [join(folder, 'plain.dcm'), join(folder, 'rle.dcm')];
    // A sequence of undefined length in the header ends as Pixel Data would.
    const withSequence = tinyCt({ ReferencedImageSequence: [{ ReferencedSOPInstanceUID: '1.2.3' }] } as never).bytes;
    await writeFile(plain, withSequence);
    await run('dcmcrle', ['-e', plain, rle]);
    const whole = await readFile(rle);
    const files = await filesIn(root);
    for (const cut of [8, 20, 60]) {
      await expect(archive.store(whole.subarray(0, -cut), intake)).rejects.toMatchObject({ code: 'archive.truncated' });
    }
    expect(await filesIn(root)).toEqual(files);
    expect((await archive.store(whole, intake)).status).toBe('stored');
  });

  it('an object of other UIDs than announced leaves neither blob nor row', async () => {
    const files = await filesIn(root);
    const writer = archive.begin(intake);
    await writer.write(ct());
    await expect(writer.commit({ sopInstanceUid: '1.2.3' })).rejects.toMatchObject({ code: 'archive.uid-mismatch' });
    await writer.abort();
    expect(await filesIn(root)).toEqual(files);
  });

  it('a sender that goes away leaves neither blob nor row', async () => {
    const files = await filesIn(root);
    const writer = archive.begin(intake);
    await writer.write(ct());
    await writer.abort();
    await writer.abort();
    expect(await filesIn(root)).toEqual(files);
  });

  it('a row that PostgreSQL refuses does not fail those that came with it', async () => {
    const good = Array.from({ length: 20 }, () => ct());
    const outcomes = await Promise.allSettled([
      ...good.slice(0, 10).map((bytes) => archive.store(bytes, intake)),
      archive.store(ct(), { origin: 'dimse', source: 'CT\0' }),
      ...good.slice(10).map((bytes) => archive.store(bytes, intake)),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      ...Array<string>(10).fill('fulfilled'),
      'rejected',
      ...Array<string>(10).fill('fulfilled'),
    ]);
  });

  it('says unavailable when the disk is nearly full, and stores again when it is not', async () => {
    const full = openWith(join(folder, 'nearly-full'), { diskFreeBytesMin: Number.MAX_SAFE_INTEGER });
    await expect(full.archive.store(ct(), intake)).rejects.toBeInstanceOf(ArchiveUnavailableError);
    expect((await archive.store(ct(), intake)).status).toBe('stored');
  });

  // Mounting needs root; elsewhere the refusal above stands for it.
  it.runIf(process.getuid?.() === 0)(
    'says unavailable when the disk fills up meanwhile, and keeps nothing of it',
    async () => {
      const tiny = join(folder, 'tiny-disk');
      await mkdir(tiny);
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', tiny]);
      try {
        const before = await rows();
        const small = openWith(tiny);
        const head = ct().subarray(0, -128);
        head.writeUInt32LE(4 * 1024 * 1024, head.length - 4);
        const writer = small.archive.begin(intake);
        await writer.write(head);
        for (let sent = 0; sent < 4; sent++) await writer.write(Buffer.alloc(1024 * 1024));
        await expect(writer.commit()).rejects.toBeInstanceOf(ArchiveUnavailableError);
        expect(await filesIn(tiny)).toEqual([]);
        expect(await rows()).toBe(before);
        expect((await small.archive.store(ct(), intake)).status).toBe('stored');
      } finally {
        execFileSync('umount', [tiny]);
      }
    },
  );

  it('says unavailable when the database does not answer', async () => {
    const without = openWith(join(folder, 'no-database'), { port: 1 });
    await expect(without.archive.store(ct(), intake)).rejects.toBeInstanceOf(ArchiveUnavailableError);
    await expect(without.archive.issue([newUid()])).rejects.toBeInstanceOf(ArchiveUnavailableError);
    const study = { studyInstanceUid: newUid() };
    await expect(without.archive.locate(study)).rejects.toBeInstanceOf(ArchiveUnavailableError);
    await expect(without.archive.intakeOf(study.studyInstanceUid)).rejects.toBeInstanceOf(ArchiveUnavailableError);
    const sources = without.archive.sourceInstancesOf(study.studyInstanceUid);
    await expect(sources).rejects.toBeInstanceOf(ArchiveUnavailableError);
    await expect(without.archive.count()).rejects.toBeInstanceOf(ArchiveUnavailableError);
    await expect(without.archive.current().next()).rejects.toBeInstanceOf(ArchiveUnavailableError);
  });

  it('says unavailable when the outbox is full: no row without its fact', async () => {
    const before = await rows();
    const full = openWith(root, { outboxRowsMax: 1 });
    await expect(full.archive.store(ct(), intake)).rejects.toBeInstanceOf(ArchiveUnavailableError);
    expect(await rows()).toBe(before);
  });

  it('has every acknowledged instance after PostgreSQL crashed between them', { timeout: 90_000 }, async () => {
    const dataDir = join(folder, 'crashing');
    await mkdir(dataDir);
    await chmod(folder, 0o755);
    const start = async (): Promise<{
      server: Awaited<ReturnType<typeof startEmbeddedPostgres>>;
      at: DatabaseConfig;
    }> => {
      const server = await startEmbeddedPostgres({ dataDir, note: () => undefined });
      const { host, port, database, user, password } = server;
      return { server, at: { ...databaseDefaults, host, port, database, user, password } };
    };
    const first = await start();
    await prepareArchive(first.at);
    const store = new FileObjectStore({ root: join(folder, 'crash-objects'), diskFreeBytesMin: 0 });
    const crashing = openArchive(first.at, store);
    const uids = Array.from({ length: 300 }, newUid);
    const sent = uids.map(async (uid, at) => {
      await new Promise((resolve) => setTimeout(resolve, at * 3));
      return crashing.archive.store(ct(uid), intake);
    });
    const settled = Promise.allSettled(sent);
    // All of them: a commit holds several, and the 41st may be in an earlier one than the 40th.
    await Promise.all(sent.slice(0, 41));
    // An immediate shutdown: no checkpoint, as if the process had died.
    process.kill(first.server.pid, 'SIGQUIT');
    const outcomes = await settled;
    const acknowledged = uids.filter((_, at) => outcomes[at]?.status === 'fulfilled');
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(ArchiveUnavailableError);
    }
    expect(acknowledged.length).toBeGreaterThan(40);
    expect(acknowledged.length).toBeLessThan(300);
    await crashing.database.close();
    await first.server.stop().catch(() => undefined);

    const second = await start();
    const again = openArchive(second.at, store);
    const { rows: kept } = await sql<{ sop_instance_uid: string; blob_key: string }>`
      select sop_instance_uid, blob_key from intake`.execute(again.database.db);
    const byUid = new Map(kept.map((row) => [row.sop_instance_uid, row.blob_key]));
    expect(acknowledged.filter((uid) => !byUid.has(uid))).toEqual([]);
    for (const key of byUid.values()) await store.head(key);
    // What was refused is sent again, and what was committed without an answer is known.
    const retried = await Promise.all(uids.map((uid) => again.archive.store(ct(uid), intake)));
    expect(retried.filter(({ status }) => status === 'stored')).toHaveLength(300 - byUid.size);
    expect(await again.archive.count()).toBe(300);
    await again.database.close();
    await second.server.stop();
  });
});
