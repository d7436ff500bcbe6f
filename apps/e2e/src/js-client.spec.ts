import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { parseFile } from '@callosum/dicom';
import { freePort } from '@callosum/testing';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { launchChromium } from './harness/browser.js';
import { Callosum } from './harness/callosum.js';
import { type Listening, servePage } from './harness/elsewhere.js';
import { filesOf, uidsOf } from './harness/equal.js';
import { root, testData } from './harness/paths.js';
import { smallPhantom, writeStudy } from './harness/studies.js';

/** What peers/dicomweb-client-calls.mjs gives. */
interface Calls {
  readonly methods: readonly string[];
  readonly cases: Readonly<Record<string, string>>;
}

const slices = 4;

describe('dicomweb-client, of JavaScript, in a page of another origin', () => {
  let system: Callosum;
  let browser: Browser;
  let page: Listening;
  let calls: Calls;

  beforeAll(async () => {
    const port = await freePort();
    system = await Callosum.start('js-client', {
      worker: false,
      env: { CALLOSUM_CORS_ORIGINS: `http://127.0.0.1:${port}` },
    });
    page = await servePage(port, {
      '/client.js': createRequire(import.meta.url).resolve('dicomweb-client'),
      '/calls.mjs': join(root, 'apps/e2e/peers/dicomweb-client-calls.mjs'),
    });
    browser = await launchChromium();
    const tab = await (await browser.newContext()).newPage();
    await tab.goto(page.origin);
    await tab.addScriptTag({ url: '/client.js' });
    const given = JSON.stringify({ url: `${system.httpUrl}/dicom-web`, ...studyOf() });
    calls = await tab.evaluate<Calls>(`import('/calls.mjs').then(({ callAll }) => callAll(${given}))`);
  });
  afterAll(async () => {
    await browser.close();
    await page.stop();
    await system.stop();
  });

  it('has no call that is not made', () => {
    expect(calls.methods.length).toBeGreaterThan(15);
    expect(Object.keys(calls.cases).sort()).toEqual([...calls.methods].sort());
  });

  it('gets what it asks for, by every call it has', () => {
    expect(Object.entries(calls.cases).filter(([, result]) => result !== 'ok')).toEqual([]);
  });

  it('is served without a failure', () => {
    expect(system.logs()).not.toContain('dicomweb.failed');
  });
});

/** Some slices of one study, and what the page needs to know of the first. */
function studyOf() {
  const files = filesOf(testData('studies', 'ct-chest') ?? writeStudy(smallPhantom({ uidSalt: 'js-client' })));
  const objects = files.map((file) => readFileSync(file));
  const uids = uidsOf(objects[0] ?? new Uint8Array());
  const { dataset } = parseFile(objects[0] ?? new Uint8Array());
  return {
    uids,
    objects: objects
      .filter((bytes) => uidsOf(bytes).study === uids.study)
      .slice(0, slices)
      .map((bytes) => bytes.toString('base64')),
    pixelsSha256: createHash('sha256')
      .update(dataset.bytes('PixelData') ?? '')
      .digest('hex'),
    rows: dataset.number('Rows'),
    columns: dataset.number('Columns'),
  };
}
