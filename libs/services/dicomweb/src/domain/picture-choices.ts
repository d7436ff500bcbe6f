import type { PictureFormat } from '@callosum/dicom';

import { NotAcceptableError } from './errors/door.js';
import { type Accepted, rankedOffers, type Representation } from './negotiate.js';

/** A form of a rendered resource. */
export interface PictureChoice extends Representation {
  readonly format: PictureFormat;
}

/** The default first (PS3.18 Table 8.7.4-1). */
const formats: readonly PictureFormat[] = ['jpeg', 'png', 'webp'];

/** Media types of pictures, the default first. */
export const pictureMediaTypes: readonly string[] = formats.map((format) => `image/${format}`);

export const pictureOffers = (multipart: boolean): readonly PictureChoice[] =>
  formats.map((format) => ({ format, type: `image/${format}`, multipart }));

/**
 * The form that pictures leave in, the client's best (PS3.18 8.7.4, 8.7.8): JPEG, which is the default, PNG or WebP.
 * @param packagings whether they can be given in multipart/related, on their own, or both, the server's first choice first
 * @throws {NotAcceptableError}
 */
export function choosePicture(accepted: readonly Accepted[], packagings: readonly boolean[]): PictureChoice {
  const [best] = rankedOffers(accepted, packagings.flatMap(pictureOffers));
  if (best) return best;
  const how = packagings.includes(false) ? '' : ', in multipart/related, as there are several';
  throw new NotAcceptableError(`pictures are given as ${pictureMediaTypes.join(', ')}${how}`);
}

export const pdf = 'application/pdf';
export const mp4 = 'video/mp4';
/** Media types of what is shown as it is in its object (PS3.18 8.7.4). */
export const fileMediaTypes = [pdf, mp4] as const;
export type FileMediaType = (typeof fileMediaTypes)[number];

/** True where the client takes the file that is in an object as it is. */
export const takesFile = (accepted: readonly Accepted[], type: FileMediaType): boolean =>
  rankedOffers(accepted, [{ type, multipart: false }]).length > 0;

/** A form of one instance over WADO-URI: a picture of it, the document or video in it, or the object. */
export interface UriChoice extends Representation {
  readonly form: PictureFormat | 'file' | 'dicom';
}

const uriOffers: readonly UriChoice[] = [
  ...pictureOffers(false).map(({ format, ...rest }) => ({ ...rest, form: format })),
  ...fileMediaTypes.map((type) => ({ form: 'file', type, multipart: false }) as const),
  { form: 'dicom', type: 'application/dicom', multipart: false },
];

/**
 * The forms of one instance over WADO-URI, the client's best first. Who accepts everything gets a picture (PS3.18 9.3), of
 * what has none the document or video in it, else the object.
 */
export const uriChoices = (accepted: readonly Accepted[]): readonly UriChoice[] => {
  const best = rankedOffers(accepted, uriOffers);
  const wild = accepted.filter(({ type, quality }) => type.endsWith('*') && quality > 0);
  // A wildcard stands for one form at a time: for the next one where the object has none of the first.
  const rest = uriOffers.filter((offer) => !best.includes(offer) && rankedOffers(wild, [offer]).length > 0);
  return [...best, ...rest.filter((offer) => rankedOffers(accepted, [offer]).length > 0)];
};
