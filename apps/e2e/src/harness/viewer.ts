import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';

import { type Picture, pictureOf } from './browser.js';
import { eventually } from './fhir.js';
import { root } from './paths.js';

/** What the viewer shows to who comes for the first time, by its own name for it. */
const tours = JSON.stringify(['basicViewerTour']);

/**
 * What the viewer itself throws, without an effect, where a study is left while a picture of it is still to be drawn:
 * its rendering engine gets the picture for a viewport that is no more.
 */
const drawnTooLate = /The stack viewport has been destroyed and is no longer usable/;

/** A person at the viewer, and what their browser asked for. */
export class Reader {
  readonly requests: string[] = [];
  /** Answers of 400 and more, what a page threw, and what its policy kept it from. */
  readonly failures: string[] = [];

  private constructor(
    readonly context: BrowserContext,
    readonly page: Page,
    /** Address of the viewer. */
    private readonly viewer: string,
  ) {}

  /** @param viewer address without a slash at the end, "http://127.0.0.1:8080/viewer" */
  static async sit(browser: Browser, viewer: string): Promise<Reader> {
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    // Not the first visit: a tour over the images begins some seconds after them, and catches clicks.
    await context.addInitScript(`try { localStorage.setItem('shownTours', ${JSON.stringify(tours)}); } catch {}`);
    const page = await context.newPage();
    const reader = new Reader(context, page, viewer);
    context.on('request', (request) => reader.requests.push(request.url()));
    context.on('response', (response) => {
      if (response.status() >= 400) reader.failures.push(`${response.status()} ${response.url()}`);
    });
    // What the viewer wanted to do, and its own policy forbade.
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) reader.failures.push(message.text());
    });
    page.on('dialog', (dialog) => {
      reader.failures.push(`a dialog says: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('pageerror', (error) => {
      if (!drawnTooLate.test(error.message)) reader.failures.push(String(error));
    });
    return reader;
  }

  /** The list of studies. @param query of the address, "?patientName=DOE" */
  list(query = ''): Promise<unknown> {
    return this.page.goto(`${this.viewer}${query}`, { waitUntil: 'load' });
  }

  /** A study, or several beside each other, by the link that reports have. */
  async open(...studyInstanceUids: readonly string[]): Promise<void> {
    await this.page.goto(`${this.viewer}/viewer?StudyInstanceUIDs=${studyInstanceUids.join(',')}`, {
      waitUntil: 'load',
    });
  }

  get viewport(): Locator {
    return this.page.locator('.cornerstone-canvas').first();
  }

  /** In the panel of the study, by what stands at it. */
  series(text: string): Locator {
    return this.page.locator('[data-cy^="study-browser-thumbnail"]').filter({ hasText: text }).first();
  }

  /** Brings a series to the viewport. */
  async show(text: string): Promise<void> {
    await this.series(text).waitFor({ timeout: 60_000 });
    await this.series(text).dblclick();
  }

  /** What is in the viewport once `is` holds of it. */
  async sees(what: string, is: (picture: Picture) => boolean): Promise<Picture> {
    await this.viewport.waitFor({ timeout: 90_000 });
    return eventually(what, 90_000, async () => {
      const picture = await pictureOf(this.viewport);
      return is(picture) && picture;
    }).catch(async (error: unknown) => {
      await this.keep(`failed-${what.replace(/\W+/g, '-')}`);
      throw error;
    });
  }

  /** Waits until the page says something. */
  async reads(text: string | RegExp): Promise<void> {
    await this.page
      .getByText(text)
      .first()
      .waitFor({ timeout: 60_000 })
      .catch(async (error: unknown) => {
        await this.keep(`failed-${String(text).replace(/\W+/g, '-')}`);
        throw error;
      });
  }

  /** Which image of the stack is shown, from 1, and how many there are, as the viewport says: "I:82 (21/49)". */
  async slice(): Promise<{ readonly at: number; readonly of: number } | undefined> {
    const [, at, of] = /\((\d+)\/(\d+)\)/.exec(await this.page.locator('body').innerText()) ?? [];
    return at === undefined ? undefined : { at: Number(at), of: Number(of) };
  }

  /** Turns the wheel over the image by one notch. */
  async scroll(): Promise<void> {
    const box = await this.viewport.boundingBox();
    await this.page.mouse.move((box?.x ?? 0) + (box?.width ?? 0) / 2, (box?.y ?? 0) + (box?.height ?? 0) / 2);
    await this.page.mouse.wheel(0, 100);
  }

  /** A picture of the page for who looks at the results. */
  async keep(name: string): Promise<void> {
    const folder = join(root, 'test-results');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `viewer-${name}.png`), await this.page.screenshot());
  }

  /** Requests that went over the network, to another origin than this one. */
  elsewhere(origin: string): string[] {
    return this.requests.filter((url) => /^(https?|wss?):/.test(url) && new URL(url).origin !== origin);
  }
}

/** Grey, as a slice is, and not one single shade: colour comes from what lies over it. */
export const isSlice = ({ contrast, coloured }: Picture): boolean => contrast > 15 && coloured < 0.001;
