import { DicomDataset } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import { type RangedFile, walkedDataset } from '../parse/dataset-stream.js';
import { HeaderBody } from '../parse/header-body.js';
import { defaultParseLimits } from '../parse/limits.js';
import type { Tag } from '../tags.js';

export type HeaderEvent =
  /** A dataset of this one element. */
  | { readonly kind: 'element'; readonly tag: Tag; readonly dataset: DicomDataset }
  | { readonly kind: 'sequence'; readonly tag: Tag }
  | { readonly kind: 'item' }
  | { readonly kind: 'item-end' }
  | { readonly kind: 'sequence-end' };

/** A dataset that is being walked. */
interface Level {
  characterSet: string;
  lastTag: Tag;
}

/**
 * What stands before Pixel Data, and that, element by element: nothing is kept, so that no header is too long. Values are
 * those of `readHeader`; elements come as they are stored, which is in the order of their tags (PS3.5 7.1).
 * Thrown when it is no dataset, or is truncated: DicomParseError. What the file's `read` throws passes.
 */
export async function* headerEvents(file: RangedFile): AsyncGenerator<HeaderEvent> {
  const { walker, offset, close } = await walkedDataset(file);
  try {
    const body = new HeaderBody(walker, offset, defaultParseLimits);
    const levels: Level[] = [{ characterSet: '', lastTag: '' }];
    while (!body.pixelData) {
      const event = await walker.next();
      if (!event) return;
      const level = levels.at(-1);
      if (!level) throw new DicomParseError('An item ends that has not begun');
      if ('tag' in event) {
        const isRepeated = event.tag === level.lastTag;
        level.lastTag = event.tag;
        // The first counts: PS3.5 7.1 allows each tag once.
        if (isRepeated && event.kind === 'sequence') await walker.leave();
        if (isRepeated) continue;
      }
      switch (event.kind) {
        case 'item':
          levels.push({ characterSet: level.characterSet, lastTag: '' });
          yield { kind: 'item' };
          break;
        case 'item-end':
          levels.pop();
          yield event;
          break;
        case 'sequence':
        case 'sequence-end':
          yield event;
          break;
        default: {
          const element = await body.one(event, level.characterSet, levels.length - 1);
          if (!element) break;
          const dataset = new DicomDataset(new Map([[element.tag, element]]), level.characterSet);
          if (element.tag === '00080005') level.characterSet = dataset.strings(element.tag).join('\\');
          yield { kind: 'element', tag: element.tag, dataset };
        }
      }
    }
  } finally {
    await close();
  }
}
