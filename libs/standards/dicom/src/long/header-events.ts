import { DicomDataset } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import { type RangedFile, walkedDataset } from '../parse/dataset-stream.js';
import { HeaderBody } from '../parse/header-body.js';
import { defaultParseLimits, headerMemory } from '../parse/limits.js';
import type { Tag } from '../tags.js';

export type HeaderEvent =
  /** A dataset of this one element. */
  | { readonly kind: 'element'; readonly tag: Tag; readonly dataset: DicomDataset }
  | { readonly kind: 'sequence'; readonly tag: Tag }
  | { readonly kind: 'item' }
  | { readonly kind: 'item-end' }
  | { readonly kind: 'sequence-end' };

/** Elements that are remembered of the datasets around the walk: those of the longest header, and as many in its items. */
const rememberedMax = (2 * headerMemory.topMax) / headerMemory.element;

/** A dataset that is being walked. */
interface Level {
  characterSet: string;
  /** Its tags so far, as whole numbers of 32 bits: they are no objects. */
  readonly seen: Set<number>;
}

/** The datasets around the walk, from the outermost one. */
class Levels {
  readonly #levels: Level[] = [{ characterSet: '', seen: new Set() }];
  #remembered = 0;

  get depth(): number {
    return this.#levels.length - 1;
  }

  get innermost(): Level {
    const level = this.#levels.at(-1);
    if (!level) throw new DicomParseError('An item ends that has not begun');
    return level;
  }

  enter(): void {
    this.#levels.push({ characterSet: this.innermost.characterSet, seen: new Set() });
  }

  leave(): void {
    this.#remembered -= this.#levels.pop()?.seen.size ?? 0;
  }

  /** @returns false for a tag that the innermost dataset has had, wherever it stood. Thrown for too many: DicomParseError */
  isFirst(tag: Tag): boolean {
    const { seen } = this.innermost;
    const number = Number.parseInt(tag, 16) | 0;
    if (seen.has(number)) return false;
    if (++this.#remembered > rememberedMax) throw new DicomParseError('An item has too many elements');
    seen.add(number);
    return true;
  }
}

/**
 * What stands before Pixel Data, and that, element by element: nothing is kept, so that no header is too long. Values are
 * those of `readHeader`: of a repeated element the first. They come as they are stored, in the order of tags (PS3.5 7.1).
 * Thrown when it is no dataset, or is truncated: DicomParseError. What the file's `read` throws passes.
 */
export async function* headerEvents(file: RangedFile): AsyncGenerator<HeaderEvent> {
  const { walker, offset, close } = await walkedDataset(file);
  try {
    const body = new HeaderBody(walker, offset, defaultParseLimits);
    const levels = new Levels();
    while (!body.pixelData) {
      const event = await walker.next();
      if (!event) return;
      // The first counts: PS3.5 7.1 allows each tag once. JSON with both would be read as the last.
      if ('tag' in event && !levels.isFirst(event.tag)) {
        if (event.kind === 'sequence') await walker.leave();
        continue;
      }
      switch (event.kind) {
        case 'item':
          levels.enter();
          yield { kind: 'item' };
          break;
        case 'item-end':
          levels.leave();
          yield event;
          break;
        case 'sequence':
        case 'sequence-end':
          yield event;
          break;
        default: {
          const level = levels.innermost;
          const element = await body.one(event, level.characterSet, levels.depth);
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
