import { type Browser, chromium, type Page } from 'playwright-core';

import { ctObjects } from '../dimse/objects.js';
import { spreadOf } from '../dimse/rounds.js';
import { type Bench, withLoaded } from './receivers.js';
import { msText, tableOf } from './report.js';

export interface ViewerFigures {
  readonly slices: number;
  /** Milliseconds of each round, from the address to the first slice on the screen, and to the last frame of the CT. */
  readonly firstSliceMs: readonly number[];
  readonly wholeMs: readonly number[];
  /** Requests of one round, and the bytes that came. */
  readonly requests: number;
}

const executablePath = process.env['CALLOSUM_CHROMIUM'] ?? '/usr/bin/chromium';
const roundMsMax = 180_000;

/** Notes when the first image is on the screen. Cornerstone's events do not bubble, but are seen on their way down. */
const notesFirstSlice = `
  let isNew = false;
  document.addEventListener('CORNERSTONE_STACK_NEW_IMAGE', () => { isNew = true; }, true);
  document.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => {
    if (isNew) window.firstSliceMs ??= performance.now();
  }, true);
`;

/**
 * OHIF in Chromium, which draws in software: how long a radiologist waits for the first slice of a CT of 512 × 512, and until all of it is
 * there. Each round is a new browser profile: nothing is kept from the one before. Of this site alone: nobody else serves a viewer here.
 */
export async function benchViewer(bench: Bench): Promise<ViewerFigures> {
  const { options } = bench;
  const objects = await ctObjects(options.places.objects, 1, options.count);
  const [study = ''] = objects.studyInstanceUids;
  return withLoaded({ ...bench, receivers: ['node'] }, objects, async ([node]) => {
    const browser = await launch();
    try {
      const address = `${(node?.base ?? '').replace(/\/dicom-web$/, '')}/viewer/viewer?StudyInstanceUIDs=${study}`;
      const rounds: Round[] = [];
      for (let round = 0; round <= options.rounds; round++) {
        const one = await open(browser, address, objects.count);
        process.stderr.write(`viewer, round ${round}: ${msText(one.firstSliceMs)} ms, ${msText(one.wholeMs)} ms\n`);
        if (round > 0) rounds.push(one);
      }
      const figures: ViewerFigures = {
        slices: objects.count,
        firstSliceMs: rounds.map(({ firstSliceMs }) => firstSliceMs),
        wholeMs: rounds.map(({ wholeMs }) => wholeMs),
        requests: rounds.at(-1)?.requests ?? 0,
      };
      options.print(report(figures));
      return figures;
    } finally {
      await browser.close();
    }
  });
}

function launch(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  args.push('--disable-component-update', '--disable-sync');
  args.push('--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader');
  return chromium.launch({ executablePath, headless: true, args });
}

interface Round {
  readonly firstSliceMs: number;
  readonly wholeMs: number;
  readonly requests: number;
}

/** @throws when not every frame has come in time */
async function open(browser: Browser, address: string, slices: number): Promise<Round> {
  const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
  try {
    await context.addInitScript(notesFirstSlice);
    const page = await context.newPage();
    let requests = 0;
    const frames = new Set<string>();
    const began = performance.now();
    const whole = new Promise<number>((resolve) => {
      page.on('requestfinished', (request) => {
        requests++;
        if (request.url().includes('/frames/')) frames.add(request.url());
        if (frames.size === slices) resolve(performance.now() - began);
      });
    });
    await page.goto(address, { waitUntil: 'load' });
    const firstSliceMs = await firstSlice(page);
    const timer = setTimeout(() => void page.close(), roundMsMax);
    const closed = new Promise<never>((_, reject) => {
      page.once('close', () => reject(new Error(`${frames.size} of ${slices} frames have come in ${roundMsMax} ms`)));
    });
    const wholeMs = await Promise.race([whole, closed]);
    clearTimeout(timer);
    return { firstSliceMs, wholeMs, requests };
  } finally {
    await context.close();
  }
}

const firstSlice = async (page: Page): Promise<number> =>
  (
    await page.waitForFunction<number | undefined>('window.firstSliceMs', undefined, { timeout: roundMsMax })
  ).jsonValue() as Promise<number>;

function report({ slices, firstSliceMs, wholeMs, requests }: ViewerFigures): string {
  const row = (what: string, ms: readonly number[]): string[] => {
    const { median, least, most } = spreadOf(ms);
    return [what, msText(median), `${msText(least)} – ${msText(most)}`];
  };
  return [
    `### The viewer: a CT of ${slices} slices, ${requests} requests`,
    '',
    tableOf(
      ['from the address to', 'ms, median', 'least – most'],
      [row('the first slice on the screen', firstSliceMs), row('the last frame of the CT', wholeMs)],
    ),
    '',
  ].join('\n');
}
