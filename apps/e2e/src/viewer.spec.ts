import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { parseFile } from '@callosum/dicom';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { dismissWelcome, launchChromium, type Picture, pictureOf } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { qido, textAt } from './harness/dicomweb.js';
import { eventually, waitForReport } from './harness/fhir.js';
import { root, testData } from './harness/paths.js';
import { smallPhantom, storescu, writeStudy } from './harness/studies.js';
import { readdirSync, readFileSync } from 'node:fs';

const pictures = join(root, 'test-results');

function keep(name: string, png: Buffer): void {
  mkdirSync(pictures, { recursive: true });
  writeFileSync(join(pictures, name), png);
}

describe('a radiologist opens the study', () => {
  let system: Callosum;
  let browser: Browser;
  let page: Page;
  let studyInstanceUid: string;
  const requests: string[] = [];
  const failures: string[] = [];

  beforeAll(async () => {
    system = await Callosum.start('viewer');
    const folder = testData('studies', 'ct-chest') ?? writeStudy(smallPhantom({ uidSalt: 'viewer' }));
    const sent = await storescu(system, [folder]);
    expect(sent.code, sent.stderr).toBe(0);
    const [name] = readdirSync(folder).filter((file) => file.endsWith('.dcm'));
    studyInstanceUid = parseFile(readFileSync(join(folder, name ?? ''))).dataset.string('StudyInstanceUID') ?? '';
    await waitForReport(system.httpUrl, studyInstanceUid);
    browser = await launchChromium();
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    page = await context.newPage();
    context.on('request', (request) => requests.push(request.url()));
    context.on('response', (response) => {
      if (response.status() >= 400) failures.push(`${response.status()} ${response.url()}`);
    });
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  it('finds it in the list of studies', async () => {
    const [study] = await qido(system.httpUrl, `studies?StudyInstanceUID=${studyInstanceUid}`);
    const name = study?.['00100010']?.Value?.[0] as { readonly Alphabetic?: string } | undefined;
    const [family = ''] = (name?.Alphabetic ?? '').split('^');
    await page.goto(`${system.httpUrl}/viewer`, { waitUntil: 'load' });
    await dismissWelcome(page);
    await page.getByText(family).first().waitFor({ timeout: 60_000 });
    keep('viewer-list.png', await page.screenshot());
  });

  let plain: Picture;

  it('sees the CT drawn', async () => {
    await page.goto(`${system.httpUrl}/viewer/viewer?StudyInstanceUIDs=${studyInstanceUid}`, { waitUntil: 'load' });
    const viewport = page.locator('.cornerstone-canvas').first();
    await viewport.waitFor({ timeout: 90_000 });
    await dismissWelcome(page);
    plain = await eventually('a drawn slice', 90_000, async () => {
      const picture = await pictureOf(viewport);
      // A slice is grey; the tour drawn over it, or its dimming, is not: then it is closed and looked at again.
      if (picture.coloured >= 0.001) await dismissWelcome(page);
      return picture.contrast > 15 && picture.coloured < 0.001 && picture;
    });
    keep('viewer-ct.png', await page.screenshot());
    // Grey, as a CT is: colour later on comes from the overlay.
    expect(plain.coloured).toBeLessThan(0.001);
  });

  it('sees the segmentation over it', async () => {
    const seg = await eventually('the SEG in QIDO', 30_000, async () => {
      const [series] = await qido(system.httpUrl, `studies/${studyInstanceUid}/series?Modality=SEG`);
      return series;
    });
    expect(textAt(seg, '00080060')).toBe('SEG');
    const thumbnail = page.locator('[data-cy^="study-browser-thumbnail"]').filter({ hasText: 'SEG' }).first();
    await thumbnail.waitFor({ timeout: 60_000 });
    // The tour begins when images are there, and catches clicks.
    await dismissWelcome(page);
    await thumbnail.dblclick();
    const viewport = page.locator('.cornerstone-canvas').first();
    const overlaid = await eventually('a coloured overlay', 90_000, async () => {
      const picture = await pictureOf(viewport);
      return picture.coloured > 0.02 && picture;
    }).catch(async (error: unknown) => {
      keep('viewer-seg-failed.png', await page.screenshot());
      throw error;
    });
    keep('viewer-seg.png', await page.screenshot());
    expect(overlaid.png.equals(plain.png)).toBe(false);
    // The image is still there under it.
    expect(overlaid.contrast).toBeGreaterThan(15);
  });

  it('asked no other host for anything, and this one only for what it has', () => {
    const network = requests.filter((url) => !/^(data|blob|about):/.test(url));
    expect(network.length).toBeGreaterThan(50);
    expect(network.filter((url) => new URL(url).origin !== system.httpUrl)).toEqual([]);
    expect(failures).toEqual([]);
  });
});
