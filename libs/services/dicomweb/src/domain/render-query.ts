import type { Viewport, Window, WindowFunction } from '@callosum/dicom';

import { BadRequestError } from './errors/door.js';

/** How a client wants a picture (PS3.18 8.3.5.1). */
export interface RenderQuery {
  /** 1 to 100. */
  readonly quality?: number;
  readonly viewport?: Viewport;
  readonly window?: Window;
}

/** A side of the largest screens there are, twice. */
export const viewportSideMax = 16_384;

/**
 * Reads `quality`, `viewport` and `window`; parameters nobody knows are ignored (PS3.18 8.3.1). What is known and is not
 * done here, burning in annotations and converting colour profiles, is refused by name rather than left out unsaid.
 * @param query of the request's URL
 * @throws {BadRequestError} when a value is none, or there is more than one
 */
export function readRenderQuery(query: URLSearchParams): RenderQuery {
  refuseAnnotation(query, 'annotation');
  const profile = single(query, 'iccprofile');
  if (profile !== undefined && profile !== 'no')
    throw new BadRequestError('iccprofile: pictures are given without a profile');
  const quality = single(query, 'quality');
  const viewport = single(query, 'viewport');
  const window = single(query, 'window');
  return {
    ...(quality === undefined ? {} : { quality: readQuality('quality', quality) }),
    ...(viewport === undefined ? {} : { viewport: readViewport(viewport) }),
    ...(window === undefined ? {} : { window: readWindow(window) }),
  };
}

/** Reads `viewport`, the one parameter of thumbnails (PS3.18 10.4.1.2.4). @throws {BadRequestError} */
export function readThumbnailQuery(query: URLSearchParams): Pick<RenderQuery, 'viewport'> {
  const viewport = single(query, 'viewport');
  return viewport === undefined ? {} : { viewport: readViewport(viewport) };
}

/** The value of a parameter that may be there once. @throws {BadRequestError} */
export function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name);
  if (values.length > 1) throw new BadRequestError(`${name} is given more than once`);
  return values[0];
}

/** Text in the picture, "patient" or "technique" (PS3.18 8.3.5.1.1): an empty list asks for none. @throws {BadRequestError} */
export function refuseAnnotation(query: URLSearchParams, name: string): void {
  const wanted = single(query, name);
  if (wanted !== undefined && wanted !== '') throw new BadRequestError(`${name}: nothing is written into pictures`);
}

/** PS3.18 8.3.5.1.2. @throws {BadRequestError} */
export function readQuality(name: string, text: string): number {
  const quality = readWhole(text);
  if (quality === undefined || quality > 100) throw new BadRequestError(`${name} is a whole number from 1 to 100`);
  return quality;
}

/** A whole number from 1, at most nine digits; undefined for what is none. */
export const readWhole = (text: string): number | undefined => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined);

const decimal = /^[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,2})?$/;
/** A decimal number as PS3.5 6.2 (DS) writes it; undefined for what is none. */
export const readDecimal = (text: string): number | undefined => (decimal.test(text) ? Number(text) : undefined);

/**
 * "vw,vh[,[sx],[sy],[sw],[sh]]" (PS3.18 8.3.5.1.3): the size of the picture, and the part of the image that is scaled to
 * it; parts may be left empty.
 */
function readViewport(text: string): Viewport {
  const [width, height, ...region] = text.split(',');
  const sides = [width, height].map((side) => readSide('viewport', side ?? ''));
  if (region.length > 4) throw new BadRequestError('viewport has six numbers at most: vw,vh,sx,sy,sw,sh');
  const [x, y, w, h] = region.map((number) => {
    if (number === '') return undefined;
    const value = readDecimal(number);
    if (value === undefined) throw new BadRequestError('viewport: sx, sy, sw and sh are decimal numbers');
    return value;
  });
  if (w === 0 || h === 0) throw new BadRequestError('viewport: sw and sh are not 0');
  const [columns = 0, rows = 0] = sides;
  return {
    width: columns,
    height: rows,
    region: {
      ...(x === undefined ? {} : { x }),
      ...(y === undefined ? {} : { y }),
      ...(w === undefined ? {} : { width: w }),
      ...(h === undefined ? {} : { height: h }),
    },
  };
}

/** A side of a viewport in pixels. @throws {BadRequestError} */
export function readSide(name: string, text: string): number {
  const side = readWhole(text);
  if (side === undefined || side > viewportSideMax)
    throw new BadRequestError(`${name}: a side is a whole number of pixels from 1 to ${viewportSideMax}`);
  return side;
}

const functions: ReadonlyMap<string, WindowFunction> = new Map([
  ['linear', 'LINEAR'],
  ['linear-exact', 'LINEAR_EXACT'],
  ['sigmoid', 'SIGMOID'],
]);

/** "center,width[,function]" (PS3.18 8.3.5.1.4). */
function readWindow(text: string): Window {
  const [center = '', width = '', name = 'linear', ...more] = text.split(',');
  const numbers = [center, width].map(readDecimal);
  const of = functions.get(name.toLowerCase());
  if (more.length > 0 || of === undefined || numbers.includes(undefined))
    throw new BadRequestError('window is center,width,function; the function is linear, linear-exact or sigmoid');
  const [middle = 0, size = 0] = numbers;
  return windowOf('window', middle, size, of);
}

/** @param name of the parameters, for whoever reads what is wrong @throws {BadRequestError} when its width is none */
export function windowOf(name: string, center: number, width: number, of: WindowFunction): Window {
  if (of === 'LINEAR' ? width < 1 : width <= 0)
    throw new BadRequestError(`${name}: the width of a linear window is 1 or more, of others more than 0`);
  return { center, width, function: of };
}
