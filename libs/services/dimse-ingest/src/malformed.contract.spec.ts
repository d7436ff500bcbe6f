import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parseFile } from '@callosum/dicom';
import { echo, readPart10, ScuAssociation, statusText, storeFiles } from '@callosum/dimse';
import { isUid } from '@callosum/kernel';
import { orSkip, testDataPath } from '@callosum/testing';
import { afterAll, describe, expect, it } from 'vitest';

import { part10 } from '../../../standards/dimse/test-support/objects.js';
import { startGauges } from '../test-support/gauges.js';
import { startWatchedNode, type WatchedNode } from '../test-support/watched-node.js';

const gauges = startGauges();
const started = await orSkip(() => startWatchedNode());
afterAll(async () => {
  await started.server?.stop();
  await gauges.stop();
});

const folder = testDataPath('malformed');
const files = folder
  ? readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.(json|md|txt)$/.test(entry.name))
      .map(({ parentPath, name }) => join(parentPath, name))
  : [];

interface Broken {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly dataset: Buffer;
  /** Every reader reads it, and it says what it is, the same as its file meta information. */
  readonly isReadable: boolean;
}

const keywords = ['SOPClassUID', 'SOPInstanceUID', 'StudyInstanceUID', 'SeriesInstanceUID'];

function isReadable(bytes: Buffer, { sopClassUid, sopInstanceUid }: Omit<Broken, 'dataset' | 'isReadable'>): boolean {
  try {
    const { dataset } = parseFile(bytes);
    const uids = keywords.map((keyword) => dataset.string(keyword) ?? '');
    return uids.every(isUid) && uids[0] === sopClassUid && uids[1] === sopInstanceUid;
  } catch {
    return false;
  }
}

/** What a sender would make of the file; of one that is none of DICOM's, its bytes as the dataset of a CT. */
async function brokenOf(path: string): Promise<Broken> {
  const bytes = readFileSync(path);
  try {
    const { datasetOffset, ...header } = await readPart10(bytes);
    return { ...header, dataset: bytes.subarray(datasetOffset), isReadable: isReadable(bytes, header) };
  } catch {
    return {
      sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
      sopInstanceUid: '1.2.3.4.5.6',
      transferSyntaxUid: '1.2.840.10008.1.2.1',
      dataset: bytes,
      isReadable: false,
    };
  }
}

describe.skipIf(started.missing !== undefined || folder === undefined)(
  'every malformed file, sent as an object',
  () => {
    const node = started.server as WatchedNode;

    /** The status as text; "refused" where its SOP class or transfer syntax is none we take. */
    async function sent({ sopClassUid, sopInstanceUid, transferSyntaxUid, dataset }: Broken): Promise<string> {
      const context = { abstractSyntaxUid: sopClassUid, transferSyntaxUids: [transferSyntaxUid] };
      const association = await ScuAssociation.open(node.to(), [context]);
      try {
        const id = association.contexts[0]?.id;
        if (id === undefined) return 'refused';
        const source = async function* (): AsyncGenerator<Buffer> {
          yield await Promise.resolve(dataset);
        };
        const { status } = await association.store(id, sopClassUid, sopInstanceUid, source);
        return statusText(status);
      } finally {
        await association.release();
      }
    }

    it('is kept or refused with a reason; associations and others go on, and nothing is left', async () => {
      expect(files.length).toBeGreaterThan(120);
      let isSending = true;
      let kept = 0;
      const others = (async () => {
        while (isSending) {
          const object = part10({ sopInstanceUid: `1.2.9.${++kept}`, studyInstanceUid: '1.2.9', pixelBytes: 20_000 });
          expect(await storeFiles({ ...node.to('OTHER'), files: [object] })).toMatchObject([{ status: 0 }]);
        }
      })();
      const outcomes = new Map<string, number>();
      try {
        for (const path of files) {
          const broken = await brokenOf(path);
          const outcome = await sent(broken);
          expect(['0000', 'A900', 'C000', 'refused'], path).toContain(outcome);
          // What the archive, the index and STOW read, C-STORE takes, and nothing else.
          expect([path, outcome === '0000']).toEqual([path, broken.isReadable]);
          outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        }
      } finally {
        isSending = false;
        await others;
      }
      // All of it happens: many of these are well-formed and wrong in what they say.
      expect(outcomes.get('0000')).toBeGreaterThan(50);
      expect(outcomes.get('C000')).toBeGreaterThan(10);
      await expect.poll(() => gauges.sum('callosum.dimse.associations.open')).toBe(0);
      await expect.poll(() => node.leftovers()).toEqual([]);
      const rows = await node.query<{ count: string }>(
        "select count(*) as count from archive.intake where study_instance_uid = '1.2.9'",
      );
      expect(Number(rows[0]?.count)).toBe(kept);
      expect(await echo(node.to())).toEqual({ status: 0 });
    });
  },
);
