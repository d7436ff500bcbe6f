import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';

import { parseFile } from '@callosum/dicom';

import { newFolder, python, root, testData } from './paths.js';
import { run } from './processes.js';

/** An object of the test data, as it is stored. */
export interface StoredObject {
  /** "ct-rle.dcm". */
  readonly name: string;
  readonly path: string;
  readonly bytes: Buffer;
  /** Its resource below /dicom-web, "studies/…/series/…/instances/…". */
  readonly resource: string;
  readonly study: string;
  readonly series: string;
  readonly instance: string;
}

const dicomFilesIn = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => extname(file) === '.dcm')
    .sort()
    .map((file) => join(folder, file));

/**
 * Every object of the folder of codecs, and those named beside it, with UIDs of their own: some share theirs there.
 * @param others paths below the test data
 * @throws when pydicom cannot copy them
 */
export async function codecObjects(others: readonly string[] = []): Promise<ReadonlyMap<string, StoredObject>> {
  const out = newFolder('codecs');
  mkdirSync(out, { recursive: true });
  const files = [
    ...dicomFilesIn(testData('codecs') ?? ''),
    ...others.map((other) => testData(...other.split('/')) ?? ''),
  ];
  const { code, stderr } = await run(python, [join(root, 'apps/e2e/peers/own_uids.py'), out, ...files]);
  if (code !== 0) throw new Error(`own_uids.py: ${stderr.slice(-2000)}`);
  return new Map(
    readdirSync(out).map((name) => {
      const path = join(out, name);
      const bytes = readFileSync(path);
      const { dataset } = parseFile(bytes);
      const uid = (keyword: string): string => dataset.string(keyword) ?? '';
      const [study, series, instance] = [uid('StudyInstanceUID'), uid('SeriesInstanceUID'), uid('SOPInstanceUID')];
      const resource = `studies/${study}/series/${series}/instances/${instance}`;
      return [name, { name, path, bytes, resource, study, series, instance }];
    }),
  );
}
