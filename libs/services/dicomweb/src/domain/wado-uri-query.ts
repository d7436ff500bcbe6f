import { isUid } from '@callosum/kernel';
import type { SourceRegion } from '@callosum/dicom';

import { BadRequestError } from './errors/door.js';
import {
  readDecimal,
  readQuality,
  readSide,
  readWhole,
  refuseAnnotation,
  type RenderQuery,
  single,
  viewportSideMax,
  windowOf,
} from './render-query.js';

/** What a WADO-URI request asks for (PS3.18 9.4, 9.5), but for the form, which `contentType` and Accept choose. */
export interface WadoUriQuery {
  readonly study: string;
  readonly series: string;
  readonly instance: string;
  /** Media types, as in Accept; in place of that header. */
  readonly contentType?: string;
  /** Of application/dicom; `*` is the stored one. */
  readonly transferSyntax?: string;
  readonly frameNumber?: number;
  readonly rendering: WadoUriRendering;
  /** Names of parameters that are there and only a rendered instance has. */
  readonly renderedOnly: readonly string[];
}

/** As in a request for a rendered resource; the size and the region are relative to the image, which is not known yet. */
export interface WadoUriRendering extends Pick<RenderQuery, 'quality' | 'window'> {
  readonly rows?: number;
  readonly columns?: number;
  /** Parts of the image's width and height, 0 to 1. */
  readonly region?: readonly [xMin: number, yMin: number, xMax: number, yMax: number];
}

/** Parameters that only a rendered instance has (PS3.18 9.4.1.2, 9.5.1.2). */
const renderedParameters = ['frameNumber', 'imageQuality', 'rows', 'columns', 'region', 'windowCenter', 'windowWidth'];

/**
 * Reads the query of a WADO-URI request. Parameters nobody knows are ignored; those that are known and are not done here
 * (de-identification, annotations, presentation states) are refused by name, since what is given would not be what was
 * asked for.
 * @throws {BadRequestError} when one that is required is missing, or a value is none
 */
export function readWadoUriQuery(query: URLSearchParams): WadoUriQuery {
  if (single(query, 'requestType') !== 'WADO') throw new BadRequestError('requestType is WADO');
  const anonymize = single(query, 'anonymize');
  if (anonymize !== undefined && anonymize !== 'no')
    throw new BadRequestError('anonymize: objects are given as they are');
  for (const name of ['annotation', 'imageAnnotation']) refuseAnnotation(query, name);
  for (const name of ['presentationUID', 'presentationSeriesUID'])
    if (query.has(name)) throw new BadRequestError(`${name}: presentation states are not applied`);
  const contentType = single(query, 'contentType');
  const transferSyntax = single(query, 'transferSyntax');
  // As in Accept: no UID, and what clients send for an object as it is stored.
  if (transferSyntax !== undefined && transferSyntax !== '*' && !isUid(transferSyntax))
    throw new BadRequestError('transferSyntax is a UID, or * for the one it is stored in');
  const frameNumber = single(query, 'frameNumber');
  return {
    study: uidOf(query, 'studyUID'),
    series: uidOf(query, 'seriesUID'),
    instance: uidOf(query, 'objectUID'),
    ...(contentType === undefined ? {} : { contentType }),
    ...(transferSyntax === undefined ? {} : { transferSyntax }),
    ...(frameNumber === undefined ? {} : { frameNumber: frameOf(frameNumber) }),
    rendering: readRendering(query),
    renderedOnly: renderedParameters.filter((name) => query.has(name)),
  };
}

function uidOf(query: URLSearchParams, name: string): string {
  const uid = single(query, name);
  if (uid === undefined || !isUid(uid)) throw new BadRequestError(`${name} is a UID, and is there once`);
  return uid;
}

function frameOf(text: string): number {
  const number = readWhole(text);
  if (number === undefined) throw new BadRequestError('frameNumber is a whole number from 1');
  return number;
}

function readRendering(query: URLSearchParams): WadoUriRendering {
  const [quality, rows, columns, region] = ['imageQuality', 'rows', 'columns', 'region'].map((name) =>
    single(query, name),
  );
  const window = readWindow(query);
  return {
    ...(quality === undefined ? {} : { quality: readQuality('imageQuality', quality) }),
    ...(rows === undefined ? {} : { rows: readSide('rows', rows) }),
    ...(columns === undefined ? {} : { columns: readSide('columns', columns) }),
    ...(region === undefined ? {} : { region: readRegion(region) }),
    ...(window === undefined ? {} : { window }),
  };
}

/** `windowCenter` and `windowWidth`, of which neither is without the other (PS3.18 9.5.1.2.6). */
function readWindow(query: URLSearchParams): RenderQuery['window'] {
  const texts = ['windowCenter', 'windowWidth'].map((name) => single(query, name));
  if (texts.every((text) => text === undefined)) return undefined;
  const [center, width] = texts.map((text) => readDecimal(text ?? ''));
  if (center === undefined || width === undefined)
    throw new BadRequestError('windowCenter and windowWidth are decimal numbers, and are there together');
  return windowOf('windowWidth', center, width, 'LINEAR');
}

/** "xmin,ymin,xmax,ymax" (PS3.18 9.5.1.2.5). */
function readRegion(text: string): readonly [number, number, number, number] {
  const numbers = text.split(',').map(readDecimal);
  const [xMin = -1, yMin = -1, xMax = -1, yMax = -1] = numbers;
  const isRegion =
    numbers.length === 4 && xMin >= 0 && yMin >= 0 && xMin < xMax && yMin < yMax && xMax <= 1 && yMax <= 1;
  if (!isRegion)
    throw new BadRequestError(
      'region is xmin,ymin,xmax,ymax: parts of the image from 0 to 1, the first less than the last',
    );
  return [xMin, yMin, xMax, yMax];
}

/**
 * The same of an image, as rendered resources have it. A region without a size has as many pixels as the image has there;
 * a size of which one side is missing is as the other side makes it (PS3.18 9.5.1.2.4).
 * @param image in pixels
 */
export function renderQueryOf(
  { quality, window, rows, columns, region }: WadoUriRendering,
  image: { readonly rows: number; readonly columns: number },
): RenderQuery {
  const given = {
    ...(quality === undefined ? {} : { quality }),
    ...(window === undefined ? {} : { window }),
  };
  if (rows === undefined && columns === undefined && region === undefined) return given;
  const [xMin, yMin, xMax, yMax] = region ?? [0, 0, 1, 1];
  const part: Required<SourceRegion> = {
    x: xMin * image.columns,
    y: yMin * image.rows,
    width: (xMax - xMin) * image.columns,
    height: (yMax - yMin) * image.rows,
  };
  const isScaled = rows !== undefined || columns !== undefined;
  const sideOf = (side: number | undefined, length: number): number =>
    side ?? (isScaled ? viewportSideMax : Math.max(1, Math.round(length)));
  return {
    ...given,
    viewport: {
      width: sideOf(columns, part.width),
      height: sideOf(rows, part.height),
      ...(region === undefined ? {} : { region: part }),
    },
  };
}
