import { type Browser, chromium, type Locator, type Page } from 'playwright-core';

const executablePath = process.env['CALLOSUM_CHROMIUM'] ?? '/usr/bin/chromium';

/** Headless Chromium that draws WebGL in software and calls nobody on its own. */
export function launchChromium(): Promise<Browser> {
  const args = ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'];
  args.push('--disable-component-update', '--disable-sync');
  args.push('--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader');
  return chromium.launch({ executablePath, headless: true, args });
}

/** What one sees of an element: brightness and colour of its pixels. */
export interface Picture {
  readonly png: Buffer;
  /** Standard deviation of the grey value, 0 to 255: 0 is one single colour. */
  readonly contrast: number;
  /** Share of pixels that are clearly coloured, 0 to 1. CT slices are grey. */
  readonly coloured: number;
}

/** Counts in the page, which can decode a PNG. Corners and edges hold text and icons: the middle half is image only. */
const measure = `async (base64) => {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const [w, h] = [Math.floor(width / 2), Math.floor(height / 2)];
  const { data } = context.getImageData(Math.floor(width / 4), Math.floor(height / 4), w, h);
  let [sum, squares, coloured] = [0, 0, 0];
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
    const grey = (r + g + b) / 3;
    sum += grey;
    squares += grey * grey;
    if (Math.max(r, g, b) - Math.min(r, g, b) > 40) coloured++;
  }
  const count = w * h;
  return { contrast: Math.sqrt(squares / count - (sum / count) ** 2), coloured: coloured / count };
}`;

/** Takes a picture of an element as it is on the screen. */
export async function pictureOf(element: Locator): Promise<Picture> {
  const png = await element.screenshot();
  const measured = await element
    .page()
    .evaluate<{ contrast: number; coloured: number }>(`(${measure})(${JSON.stringify(png.toString('base64'))})`);
  return { png, ...measured };
}

/** Dismisses what the viewer shows to first visitors. */
export async function dismissWelcome(page: Page): Promise<void> {
  for (const name of ['Skip all', 'Confirm and hide']) {
    await page
      .getByText(name, { exact: true })
      .click({ timeout: 2_000 })
      .catch(() => undefined);
  }
}
