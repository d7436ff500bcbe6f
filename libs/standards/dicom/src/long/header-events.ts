import { DicomDataset, type DicomElement } from '../dataset.js';
import { DicomParseError } from '../errors.js';
import { type RangedFile, walkedDataset } from '../parse/dataset-stream.js';
import { HeaderBody } from '../parse/header-body.js';
import { defaultParseLimits, headerMemory } from '../parse/limits.js';
import type { Tag } from '../tags.js';
import type { DatasetEvent } from '../transcode/walker.js';

export type HeaderEvent =
  /** Text that is made of it. */
  | { readonly kind: 'element'; readonly text: string }
  | { readonly kind: 'sequence'; readonly tag: Tag }
  | { readonly kind: 'item' }
  | { readonly kind: 'item-end' }
  | { readonly kind: 'sequence-end' };

type TextOf = (tag: Tag, dataset: DicomDataset) => string;

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
 * @param textOf is called with a dataset of one element, which is let go then: one of unknown VR may have many in it, and who
 * takes the text may take his time
 * Thrown when it is no dataset, or is truncated: DicomParseError. What the file's `read` throws passes.
 */
export async function* headerEvents(file: RangedFile, textOf: TextOf): AsyncGenerator<HeaderEvent> {
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
        default:
          yield { kind: 'element', text: await textIn(event, body, levels, textOf) };
      }
    }
  } finally {
    await close();
  }
}

/** A function of its own: a generator that waits holds all that it has named. */
async function textIn(
  event: Extract<DatasetEvent, { kind: 'element' | 'fragments' }>,
  body: HeaderBody,
  { innermost: level, depth }: Levels,
  textOf: TextOf,
): Promise<string> {
  const element = await body.one(event, level.characterSet, depth);
  const elements = new Map<Tag, DicomElement>();
  if (element) elements.set(element.tag, element);
  const dataset = new DicomDataset(elements, level.characterSet);
  if (event.tag === '00080005') level.characterSet = dataset.strings(event.tag).join('\\');
  return textOf(event.tag, dataset);
}
