import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { implementationClassUid, parseFile, writeFileMeta } from '@callosum/dicom';
import { readPart10, storeFiles } from '@callosum/dimse';
import { generateThoraxPhantom } from '@callosum/phantom';
import { orSkip, testDataPath } from '@callosum/testing';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';

import { startWatchedNode, type WatchedNode } from '../test-support/watched-node.js';

const started = await orSkip(() => startWatchedNode());
afterAll(() => started.server?.stop());

interface Sample {
  readonly name: string;
  readonly bytes: Buffer;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  readonly datasetOffset: number;
}

/**
 * A file under the name its dataset gives it, whatever file meta information says; undefined for what is no object:
 * manifests, source texts, and datasets without a name.
 */
async function sampleOf(name: string, bytes: Buffer): Promise<Sample | undefined> {
  const header = await readPart10(bytes).catch(() => undefined);
  if (!header) return undefined;
  const { transferSyntaxUid, datasetOffset } = header;
  const { dataset } = parseFile(bytes);
  const sopClassUid = dataset.string('SOPClassUID');
  const sopInstanceUid = dataset.string('SOPInstanceUID');
  if (!sopClassUid || !sopInstanceUid || !dataset.string('StudyInstanceUID')) return undefined;
  if (sopInstanceUid === header.sopInstanceUid) return { name, bytes, ...header };
  const meta = writeFileMeta({ sopClassUid, sopInstanceUid, transferSyntaxUid, implementationClassUid });
  const renamed = Buffer.concat([meta, bytes.subarray(datasetOffset)]);
  return { name, bytes: renamed, ...(await readPart10(renamed)) };
}

/** DICOM files of a folder of the test data, of all folders inside it too. */
async function samplesOf(...parts: string[]): Promise<Sample[]> {
  const folder = testDataPath(...parts);
  const samples: Sample[] = [];
  for (const entry of folder ? readdirSync(folder, { recursive: true, withFileTypes: true }) : []) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    const bytes = readFileSync(path);
    const sample = await sampleOf(path, bytes);
    if (sample) samples.push(sample);
  }
  return samples;
}

/** As few rounds as there are files under one UID: none meets another of its UID. */
function rounds(samples: readonly Sample[]): Sample[][] {
  const found: Sample[][] = [];
  const times = new Map<string, number>();
  for (const sample of samples) {
    const time = times.get(sample.sopInstanceUid) ?? 0;
    times.set(sample.sopInstanceUid, time + 1);
    (found[time] ??= []).push(sample);
  }
  return found;
}

const shared = await Promise.all(['codecs', 'charsets', 'studies', 'results'].map((part) => samplesOf(part)));

describe.skipIf(started.missing !== undefined)('objects come back from the archive byte for byte', () => {
  const node = started.server as WatchedNode;
  beforeEach(() => node.empty());

  async function roundTrip(samples: readonly Sample[]): Promise<void> {
    const outcomes = await storeFiles({ ...node.to(), files: samples.map(({ bytes }) => bytes) });
    expect(
      outcomes.flatMap(({ status, error }, at) => (status === 0 ? [] : [{ name: samples[at]?.name, status, error }])),
    ).toEqual([]);
    const rows = await node.query<{ sop_instance_uid: string; transfer_syntax_uid: string; blob_key: string }>(
      'select sop_instance_uid, transfer_syntax_uid, blob_key from archive.intake',
    );
    expect(rows).toHaveLength(samples.length);
    for (const { name, bytes, datasetOffset, sopInstanceUid, transferSyntaxUid } of samples) {
      const row = rows.find((one) => one.sop_instance_uid === sopInstanceUid);
      expect(row?.transfer_syntax_uid, name).toBe(transferSyntaxUid);
      const kept = await node.open(row?.blob_key ?? '');
      const header = await readPart10(kept);
      expect(header, name).toMatchObject({ sopInstanceUid, transferSyntaxUid });
      expect(kept.subarray(header.datasetOffset).equals(bytes.subarray(datasetOffset)), name).toBe(true);
    }
    expect(await node.leftovers()).toEqual([]);
  }

  it.skipIf(shared.every((samples) => samples.length === 0))(
    'every file of the test data, those of one UID each into an empty archive',
    async () => {
      const all = rounds(shared.flat());
      expect(all.flat().length).toBeGreaterThan(240);
      for (const [index, samples] of all.entries()) {
        if (index > 0) await node.empty();
        await roundTrip(samples);
      }
    },
  );

  it('a phantom', async () => {
    const { study } = generateThoraxPhantom({ slices: 16, matrix: 64 });
    const samples = study.instances.map(async ({ fileName, bytes }) => {
      const file = Buffer.from(bytes);
      return { name: fileName, bytes: file, ...(await readPart10(file)) };
    });
    await roundTrip(await Promise.all(samples));
  });
});
