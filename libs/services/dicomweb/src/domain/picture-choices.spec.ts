import { describe, expect, it } from 'vitest';

import { NotAcceptableError } from './errors/door.js';
import { readAccept } from './negotiate.js';
import { choosePicture, takesFile, uriChoices } from './picture-choices.js';

const chosen = (accept: string | undefined, packagings: readonly boolean[] = [false, true]): string => {
  const { type, multipart } = choosePicture(readAccept(accept, undefined), packagings);
  return multipart ? `multipart of ${type}` : type;
};

describe('the form of pictures', () => {
  it.each([
    [undefined, 'image/jpeg'],
    ['*/*', 'image/jpeg'],
    ['image/*', 'image/jpeg'],
    ['image/png', 'image/png'],
    ['image/webp', 'image/webp'],
    ['image/jpeg;q=0.5, image/png', 'image/png'],
    ['image/png;q=0.5, image/webp;q=0.4', 'image/png'],
    ['image/jpeg;q=0, */*', 'image/png'],
    ['image/gif, image/webp', 'image/webp'],
    // What browsers send for <img>.
    ['image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8', 'image/webp'],
    ['multipart/related; type="image/png"', 'multipart of image/png'],
    ['multipart/related', 'multipart of image/jpeg'],
    ['multipart/related; type="image/*"', 'multipart of image/jpeg'],
  ])('by Accept: %s is %s', (accept, expected) => {
    expect(chosen(accept)).toBe(expected);
  });

  it.each(['image/gif', 'application/dicom', 'text/html', 'image/svg+xml', 'application/pdf', '*/*;q=0'])(
    'is none by Accept: %s',
    (accept) => {
      expect(() => chosen(accept)).toThrow(NotAcceptableError);
    },
  );

  it('of several is multipart only, of one thumbnail never', () => {
    expect(() => chosen('image/jpeg', [true])).toThrow(NotAcceptableError);
    expect(() => chosen('multipart/related; type="image/jpeg"', [false])).toThrow(NotAcceptableError);
    expect(chosen('*/*', [true])).toBe('multipart of image/jpeg');
  });

  it('may be the PDF that is in the object, or the video', () => {
    const takesPdf = (accepted: ReturnType<typeof readAccept>): boolean => takesFile(accepted, 'application/pdf');
    for (const accept of ['application/pdf', '*/*', 'application/*', 'image/jpeg, application/pdf;q=0.1'])
      expect(takesPdf(readAccept(accept, undefined))).toBe(true);
    // What browsers send for <video>.
    const ofVideo = 'video/webm,video/ogg,video/*;q=0.9,application/ogg;q=0.7,audio/*;q=0.6,*/*;q=0.5';
    expect(takesFile(readAccept(ofVideo, undefined), 'video/mp4')).toBe(true);
    expect(takesFile(readAccept('video/webm', undefined), 'video/mp4')).toBe(false);
    for (const accept of ['image/jpeg', 'application/pdf;q=0, */*'])
      expect(takesPdf(readAccept(accept, undefined))).toBe(false);
  });
});

describe('forms over WADO-URI', () => {
  const forms = (accept: string | undefined) =>
    uriChoices(readAccept(accept, undefined)).map(({ form, type }) => (form === 'file' ? type.split('/')[1] : form));

  it.each([
    [undefined, ['jpeg', 'png', 'webp', 'pdf', 'mp4', 'dicom']],
    ['*/*', ['jpeg', 'png', 'webp', 'pdf', 'mp4', 'dicom']],
    ['image/png', ['png']],
    ['application/dicom', ['dicom']],
    ['application/dicom, image/jpeg;q=0.5', ['dicom', 'jpeg']],
    ['image/*', ['jpeg', 'png', 'webp']],
    ['application/*', ['pdf', 'dicom']],
    ['image/webp, */*;q=0.1', ['webp', 'jpeg', 'png', 'pdf', 'mp4', 'dicom']],
    ['application/dicom;q=0, */*', ['jpeg', 'png', 'webp', 'pdf', 'mp4']],
    ['video/*', ['mp4']],
    ['image/gif', []],
  ])('by %s are %s', (accept, expected) => {
    expect(forms(accept)).toEqual(expected);
  });
});
