import { readFileSync } from 'node:fs';

import { freePort } from '@callosum/testing';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { launchChromium } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { qido, stow, textAt } from './harness/dicomweb.js';
import { type Listening, serveOhif, startProxy } from './harness/elsewhere.js';
import { filesOf, instancePath, uidsOf } from './harness/equal.js';
import { eventually } from './harness/fhir.js';
import { testData } from './harness/paths.js';
import { isSlice, Reader } from './harness/viewer.js';

const prefix = '/pacs';
const [ctFolder, results] = [testData('studies', 'ct-chest'), testData('results', 'reference-highdicom')];

describe.skipIf(ctFolder === undefined || results === undefined)('a site that shares its host with others', () => {
  let system: Callosum;
  let browser: Browser;
  let study: string;
  let instance: string;
  const listening: Listening[] = [];
  const ports = { leaves: 0, strips: 0, viewer: 0, stranger: 0 };

  beforeAll(async () => {
    for (const name of ['leaves', 'strips', 'viewer', 'stranger'] as const) ports[name] = await freePort();
    system = await Callosum.start('viewer-elsewhere', {
      worker: false,
      env: {
        CALLOSUM_PUBLIC_URL: `http://127.0.0.1:${ports.leaves}${prefix}`,
        CALLOSUM_CORS_ORIGINS: `https://viewer.example, http://127.0.0.1:${ports.viewer}`,
      },
    });
    const targetPort = Number(new URL(system.httpUrl).port);
    for (const kind of ['leaves', 'strips'] as const)
      listening.push(await startProxy({ port: ports[kind], targetPort, prefix, strips: kind === 'strips' }));
    for (const kind of ['viewer', 'stranger'] as const)
      listening.push(await serveOhif(ports[kind], `http://127.0.0.1:${ports.leaves}${prefix}/dicom-web`));
    const files = [...filesOf(ctFolder ?? ''), ...filesOf(results ?? '').filter((name) => /seg-/.test(name))];
    const uids = uidsOf(readFileSync(files[0] ?? ''));
    study = uids.study;
    instance = instancePath(uids);
    for (let at = 0; at < files.length; at += 25) {
      const stored = await stow(
        system.httpUrl,
        files.slice(at, at + 25).map((file) => readFileSync(file)),
      );
      expect(stored.status).toBe(200);
    }
    await eventually('the whole study in QIDO', 60_000, async () => {
      const [found] = await qido(system.httpUrl, `studies?StudyInstanceUID=${study}`);
      return Number(textAt(found, '00201208')) === files.length;
    });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    for (const one of listening) await one.stop();
    await system.stop();
  });

  /** Opens the study as a radiologist does, and looks at the segmentation over it. */
  async function read(reader: Reader): Promise<void> {
    await reader.open(study);
    await reader.sees('a drawn slice', isSlice);
    await reader.show('SEG');
    await reader.sees('a coloured overlay', ({ coloured }) => coloured > 0.02);
  }

  describe.each(['leaves', 'strips'] as const)('behind a proxy that %s the prefix', (kind) => {
    const site = (): string => `http://127.0.0.1:${ports[kind]}${prefix}`;

    it('is read in the viewer, and everything asked for lies below the prefix', async () => {
      const reader = await Reader.sit(browser, `${site()}/viewer`);
      const [found] = await qido(site(), `studies?StudyInstanceUID=${study}`);
      const name = found?.['00100010']?.Value?.[0] as { readonly Alphabetic?: string } | undefined;
      await reader.list();
      await reader.reads(name?.Alphabetic?.split('^')[0] ?? 'no name');
      await read(reader);
      expect(reader.failures).toEqual([]);
      const network = reader.requests.filter((url) => /^https?:/.test(url));
      expect(network.filter((url) => !url.startsWith(`${site()}/`))).toEqual([]);
      await reader.context.close();
    });

    it('names itself below it in answers, and its page links there', async () => {
      const [found] = await qido(site(), `studies?StudyInstanceUID=${study}`);
      expect(textAt(found, '00081190')).toBe(`${site()}/dicom-web/studies/${study}`);
      const metadata = await fetch(`${site()}/dicom-web/studies/${study}/metadata`);
      const uris = [...(await metadata.text()).matchAll(/"BulkDataURI":"([^"]*)"/g)].map(([, uri]) => uri ?? '');
      expect(uris.length).toBeGreaterThan(0);
      expect(uris.filter((uri) => !uri.startsWith(`${site()}/dicom-web/`))).toEqual([]);
      expect((await fetch(uris[0] ?? '')).status).toBe(200);
      const page = await (await fetch(`${site()}/`)).text();
      const links = [...page.matchAll(/href="([^"]*)"/g)].map(([, href]) => href ?? '');
      expect(links).toContain(`${prefix}/viewer`);
      for (const href of links) expect((await fetch(new URL(href, site()))).status, href).toBe(200);
    });
  });

  it('is read by a viewer of another origin that was let in', async () => {
    const reader = await Reader.sit(browser, `http://127.0.0.1:${ports.viewer}`);
    await read(reader);
    expect(reader.failures).toEqual([]);
    await reader.context.close();
  });

  it('is not read by a viewer of any other origin', async () => {
    const reader = await Reader.sit(browser, `http://127.0.0.1:${ports.stranger}`);
    await reader.list();
    const refused = await reader.page.evaluate<string[], string>(
      (dicomweb) =>
        Promise.all(
          ['studies', 'series', 'instances'].map((resource) =>
            fetch(`${dicomweb}/${resource}`).then(
              (response) => `${response.status}`,
              (error: unknown) => String(error),
            ),
          ),
        ),
      `http://127.0.0.1:${ports.leaves}${prefix}/dicom-web`,
    );
    expect(refused).toEqual(Array(3).fill('TypeError: Failed to fetch'));
    // Nor as an image, which browsers send for without asking.
    const source = `http://127.0.0.1:${ports.leaves}${prefix}/dicom-web/${instance}/rendered`;
    expect((await fetch(source)).headers.get('content-type')).toBe('image/jpeg');
    const shown = await reader.page.evaluate<boolean>(`new Promise((done) => {
      const image = new Image();
      image.onload = () => done(true);
      image.onerror = () => done(false);
      image.src = ${JSON.stringify(source)};
    })`);
    expect(shown).toBe(false);
    await reader.context.close();
  });
});
