import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { generateThoraxPhantom } from '@callosum/phantom';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { readFolder } from './study.js';

const [image] = generateThoraxPhantom({ slices: 8, matrix: 32 }).study.instances;
let base: string;
let folder: string;
let elsewhere: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'callosum-study-'));
  [folder, elsewhere] = [join(base, 'sent'), join(base, 'elsewhere')];
  for (const path of [folder, elsewhere]) mkdirSync(path);
  writeFileSync(join(elsewhere, 'image.dcm'), image?.bytes ?? '');
});
afterEach(() => rm(base, { recursive: true, force: true }));

const sent = async (): Promise<unknown[]> => (await readFolder(folder)).studies.flatMap(({ files }) => files);

describe('a folder to send', () => {
  it('gives the files its symbolic links lead to', async () => {
    symlinkSync(join(elsewhere, 'image.dcm'), join(folder, 'linked.dcm'));
    expect(await readFolder(folder)).toMatchObject({
      refused: [],
      studies: [{ files: [join(folder, 'linked.dcm')], seriesCount: 1 }],
    });
  });

  it('gives those of linked folders, each once, and ends where links lead in a circle', async () => {
    symlinkSync(elsewhere, join(folder, 'a'));
    symlinkSync(elsewhere, join(folder, 'b'));
    symlinkSync(folder, join(elsewhere, 'back'));
    expect(await sent()).toEqual([join(folder, 'a', 'image.dcm')]);
  });

  it('says of everything it does not send why', async () => {
    writeFileSync(join(folder, 'notes.txt'), 'no DICOM');
    symlinkSync(join(base, 'gone'), join(folder, 'nowhere.dcm'));
    symlinkSync(join(folder, 'self.dcm'), join(folder, 'self.dcm'));
    writeFileSync(join(folder, 'one.dcm'), image?.bytes ?? '');
    symlinkSync(join(folder, 'one.dcm'), join(folder, 'two.dcm'));
    const { refused } = await readFolder(folder);
    const reasons = new Map(refused.map(({ path, reason }) => [path.slice(folder.length + 1), reason]));
    expect([...reasons.keys()].sort()).toEqual(['notes.txt', 'nowhere.dcm', 'self.dcm', 'two.dcm']);
    expect(reasons.get('nowhere.dcm')).toBe('it is a symbolic link to nothing');
    expect(reasons.get('self.dcm')).toBe('it is a symbolic link that leads back to itself');
    expect(reasons.get('two.dcm')).toBe(`it is ${join(folder, 'one.dcm')} under another name`);
  });

  it('may be one file, and must be there', async () => {
    folder = join(elsewhere, 'image.dcm');
    expect(await sent()).toEqual([folder]);
    await expect(readFolder(join(base, 'gone'))).rejects.toThrow(/ENOENT/);
  });
});
