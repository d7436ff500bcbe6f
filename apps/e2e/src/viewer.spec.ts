import { readFileSync } from 'node:fs';

import { parseFile } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { launchChromium, type Picture } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { qido, stow, textAt } from './harness/dicomweb.js';
import { filesOf, uidsOf } from './harness/equal.js';
import { eventually, waitForReport } from './harness/fhir.js';
import { hostileStudy } from './harness/hostile-names.js';
import { testData } from './harness/paths.js';
import { smallPhantom, storescu, writeStudy } from './harness/studies.js';
import { isSlice, Reader } from './harness/viewer.js';

const scrolled = 20;

describe('a radiologist reads studies', () => {
  let system: Callosum;
  let browser: Browser;
  let reader: Reader;
  let folder: string;
  let ct: string;

  beforeAll(async () => {
    system = await Callosum.start('viewer');
    folder = testData('studies', 'ct-chest') ?? writeStudy(smallPhantom({ uidSalt: 'viewer' }));
    const sent = await storescu(system, [folder]);
    expect(sent.code, sent.stderr).toBe(0);
    ct = uidsOf(readFileSync(filesOf(folder)[0] ?? '')).study;
    await waitForReport(system.httpUrl, ct);
    browser = await launchChromium();
    reader = await Reader.sit(browser, `${system.httpUrl}/viewer`);
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  /** Stores files, and waits until the viewer can find them. @returns the study of the first */
  async function store(...objects: readonly Uint8Array[]): Promise<string> {
    expect((await stow(system.httpUrl, objects)).status).toBe(200);
    const { study } = uidsOf(objects[0] ?? new Uint8Array());
    await eventually('the study in QIDO', 30_000, async () => {
      const [found] = await qido(system.httpUrl, `studies?StudyInstanceUID=${study}`);
      return Number(textAt(found, '00201208')) >= objects.length;
    });
    return study;
  }
  const result = (...parts: readonly string[]): Buffer => readFileSync(testData('results', ...parts) ?? '');

  it('finds one in the list by the name they type', async () => {
    const [study] = await qido(system.httpUrl, `studies?StudyInstanceUID=${ct}`);
    const name = study?.['00100010']?.Value?.[0] as { readonly Alphabetic?: string } | undefined;
    const [family = ''] = (name?.Alphabetic ?? '').split('^');
    const typed = family.slice(0, 4).toLowerCase();
    const others = [1, 2, 3].map((n) =>
      tinyCt({
        StudyInstanceUID: `2.25.61${n}`,
        SeriesInstanceUID: `2.25.62${n}`,
        SOPInstanceUID: `2.25.63${n}`,
        PatientName: `OTHER^${n}`,
      }),
    );
    for (const { bytes } of others) await store(bytes);
    await reader.list();
    const { page } = reader;
    await reader.reads('OTHER, 1');
    const answered = page.waitForResponse((response) =>
      decodeURIComponent(response.url()).includes(`PatientName=*${typed}*`),
    );
    await page.locator('input').first().click();
    await page.keyboard.type(typed);
    expect((await answered).status()).toBe(200);
    await reader.reads('1-1 of 1');
    await reader.reads(family);
    expect(await page.getByText('OTHER, 1').count()).toBe(0);
    await reader.keep('list');
  });

  it('finds those of two modalities that are ticked', async () => {
    const uids = { StudyInstanceUID: '2.25.614', SeriesInstanceUID: '2.25.624', SOPInstanceUID: '2.25.634' };
    await store(tinyCt({ ...uids, PatientName: 'OTHER^MAGNET', Modality: 'MR' }).bytes);
    const answered = reader.page.waitForResponse((response) =>
      decodeURIComponent(response.url()).includes('ModalitiesInStudy=CT,MR'),
    );
    // As the address is when both are.
    await reader.list('?modalities=CT,MR');
    expect((await answered).status()).toBe(200);
    await reader.reads('OTHER, MAGNET');
    await reader.reads('OTHER, 1');
  });

  it('finds one by the middle of a given name', async () => {
    const { page } = reader;
    const answered = page.waitForResponse((response) =>
      decodeURIComponent(response.url()).includes('PatientName=*agne*'),
    );
    await reader.list('?patientName=agne');
    expect((await answered).status()).toBe(200);
    await reader.reads('1-1 of 1');
    await reader.reads('OTHER, MAGNET');
  });

  let plain: Picture;

  it('sees the CT drawn, and scrolls through it', async () => {
    await reader.open(ct);
    plain = await reader.sees('a drawn slice', isSlice);
    await reader.keep('ct');
    const first = await eventually('the number of the slice', 30_000, () => reader.slice());
    expect(first.of).toBe(filesOf(folder).length);
    const pictures = new Set<string>();
    for (let turn = 1; turn <= scrolled; turn++) {
      await reader.scroll();
      await eventually(`slice ${first.at + turn}`, 30_000, async () => (await reader.slice())?.at === first.at + turn);
      pictures.add((await reader.viewport.screenshot()).toString('base64'));
    }
    // The number stands in the picture, too: what tells is that slices are drawn, and not what was there before.
    expect(pictures.size).toBe(scrolled);
    await reader.sees('a drawn slice after the last turn', isSlice);
    // Each slice is asked for once, however often it is looked at.
    const frames = reader.requests.filter((url) => url.includes('/frames/') && url.includes(ct));
    expect(new Set(frames).size).toBe(frames.length);
  });

  it('sees the segmentation over it', async () => {
    await eventually('the SEG in QIDO', 30_000, async () => {
      const found = await qido(system.httpUrl, `studies/${ct}/series?Modality=SEG`);
      return found.length > 0;
    });
    await reader.open(ct);
    plain = await reader.sees('a drawn slice', isSlice);
    await reader.show('SEG');
    const overlaid = await reader.sees('a coloured overlay', ({ coloured }) => coloured > 0.02);
    await reader.keep('seg');
    expect(overlaid.png.equals(plain.png)).toBe(false);
    // The image is still there under it.
    expect(overlaid.contrast).toBeGreaterThan(15);
  });

  it('reads what was measured without marks as text', async () => {
    await reader.open(ct);
    await reader.show('SR');
    await reader.reads(/^Volume: *$/);
    await reader.reads(/\d mL\b/);
    await reader.keep('sr-volumes');
  });

  const results = testData('results');
  describe.skipIf(results === undefined)('made by others', () => {
    it('as text', async () => {
      await reader.open(await store(result('pydicom', 'reportsi.dcm')));
      await reader.show('SR');
      for (const text of ['Document Title', 'Section Heading', 'Report Text']) await reader.reads(text);
      await reader.keep('sr-text');
    });

    it('as marks on the image that was measured', async () => {
      const report = result('highdicom-tests', 'sr_document.dcm');
      // The image is not among the files: one of its name, with something to see.
      const image = tinyCt({
        StudyInstanceUID: uidsOf(report).study,
        SeriesInstanceUID: '1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322',
        SOPInstanceUID: '1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322',
        PatientID: parseFile(report).dataset.string('PatientID'),
        Rows: 128,
        Columns: 128,
        PixelData: new Uint8Array(Uint16Array.from({ length: 128 * 128 }, (_, i) => (i % 128) * 16).buffer),
      });
      await reader.open(await store(report, image.bytes));
      // Marks that come while the image is still to be drawn are not drawn by OHIF before something else changes.
      await reader.sees('the image that was measured', isSlice);
      await reader.show('SR');
      await reader.reads(/1\.70 cm2/);
      await reader.keep('sr-marks');
    });

    it('as contours (RTSTRUCT)', async () => {
      const files = ['ct_1.dcm', 'ct_2.dcm', 'rt.dcm'].map((name) => result('rt-utils', name));
      await reader.open(await store(...files));
      await reader.sees('the phantom', isSlice);
      await reader.show('RTSTRUCT');
      await reader.page.getByText('Yes', { exact: true }).click({ timeout: 60_000 });
      await reader.sees('coloured contours', ({ coloured }) => coloured > 0.0005);
      await reader.keep('rtstruct');
    });

    it('as a document (PDF)', async () => {
      const file = result('reference-highdicom', 'encapsulated-pdf.dcm');
      await store(file);
      await reader.open(uidsOf(file).study);
      await reader.show('DOC');
      const document = reader.page.locator('object[type="application/pdf"]');
      await document.waitFor({ timeout: 60_000 });
      expect(await document.getAttribute('data')).toMatch(/^blob:/);
      await reader.keep('pdf');
    });

    it('as a video (H.264)', async () => {
      const file = readFileSync(testData('codecs', 'video-h264-hp41.dcm') ?? '').toString('latin1');
      // Of a camera, which OHIF takes for a video by its SOP class.
      const [endoscopic, photographic] = ['1.2.840.10008.5.1.4.1.1.77.1.1.1', '1.2.840.10008.5.1.4.1.1.77.1.4.1'];
      await reader.open(await store(Buffer.from(file.replaceAll(endoscopic, photographic), 'latin1')));
      await reader.sees('a coloured picture of it', ({ coloured }) => coloured > 0.05);
      await reader.keep('video');
    });

    it('beside each other: two studies by one link', async () => {
      const other = uidsOf(result('rt-utils', 'ct_1.dcm')).study;
      await reader.open(ct, other);
      await reader.sees('a drawn slice', isSlice);
      await reader.series('RTSTRUCT').waitFor({ timeout: 60_000 });
      await reader.series('SEG').waitFor({ timeout: 60_000 });
    });
  });

  it('runs nothing that is written in names, descriptions and reports', async () => {
    const { study, objects } = hostileStudy();
    await store(...objects);
    const ran: string[] = [];
    await reader.context.exposeFunction('__ran', (where: string) => void ran.push(where));
    // As it was written, in the list, in the panel of the study and in the report.
    await reader.list('?patientName=hostile');
    await reader.reads(/HOSTILE <script>__ran/);
    await reader.open(study);
    await reader.show('javascript:');
    await reader.reads(/Findings <img/);
    await reader.keep('hostile');
    for (const page of ['Page 1', 'Page 2']) {
      await reader.show(page);
      await reader.page.locator('object[type="application/pdf"][data^="blob:"]').waitFor({ timeout: 60_000 });
      // Time to run, if it could: nothing tells that it does not.
      await reader.page.waitForTimeout(2_000);
      await reader.keep(`hostile-${page.toLowerCase().replace(' ', '-')}`);
    }
    expect(ran).toEqual([]);
    expect(await reader.page.locator('#ran').count()).toBe(0);
    expect(reader.requests.filter((url) => url.includes('/ran-'))).toEqual([]);
  });

  it('asked no other host for anything, and this one only for what it has', () => {
    expect(reader.requests.length).toBeGreaterThan(50);
    expect(reader.elsewhere(system.httpUrl)).toEqual([]);
    expect(reader.failures).toEqual([]);
  });
});
