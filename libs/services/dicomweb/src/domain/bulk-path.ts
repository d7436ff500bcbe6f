import { BadRequestError } from './errors/door.js';

const pixelDataTags: ReadonlySet<string> = new Set(['7FE00008', '7FE00009', '7FE00010']);

/**
 * @param path as in BulkDataURI: tags and item numbers from 0
 * @returns its steps, upper-case
 * @throws {BadRequestError}
 */
export function stepsOf(path: string): readonly string[] {
  if (!/^[0-9A-F]{8}(\/\d{1,6}\/[0-9A-F]{8}){0,16}$/i.test(path))
    throw new BadRequestError('the path names no attribute');
  return path.toUpperCase().split('/');
}

/** True for Encapsulated Document (0042,0011), which is also given as what it is. */
export const isDocument = (steps: readonly string[]): boolean => steps.join('/') === '00420011';

/** True for what leaves in the forms that frames do. */
export const isPixelData = (steps: readonly string[]): boolean =>
  steps.length === 1 && pixelDataTags.has(steps[0] ?? '');
