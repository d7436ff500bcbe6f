import type { DicomDataset } from '../dataset.js';
import type { RangeReader } from '../pixels/layout.js';
import type { Tag } from '../tags.js';
import { pixelDataTags } from '../transcode/walker.js';
import { walkedDataset } from './dataset-stream.js';
import { HeaderBody } from './header-body.js';
import { defaultParseLimits } from './limits.js';
import type { ParsedHeader } from './parse.js';

export interface ReadItem {
  /** Of the sequence. */
  readonly tag: Tag;
  /** From 0. */
  readonly number: number;
  readonly item: DicomDataset;
}

/**
 * Items of sequences of the top level that `readHeader` has left out, one after the other: the dataset is walked anew, up
 * to the last of them, and no other item is kept.
 * @param read bytes of the same file; called within it only
 * @param wanted numbers of items, from 0, by sequence; those that are not there are passed over
 * Thrown when one of them alone passes `headerMemory`: DicomParseError. What `read` throws passes.
 */
export async function* readItems(
  { dataset: { characterSet }, transferSyntax, datasetOffset }: ParsedHeader,
  read: RangeReader,
  fileBytes: number,
  wanted: ReadonlyMap<Tag, ReadonlySet<number>>,
): AsyncGenerator<ReadItem> {
  const left = new Map(wanted);
  const { walker, offset, close } = await walkedDataset({ transferSyntax, datasetOffset, read, fileBytes });
  try {
    const body = new HeaderBody(walker, offset, defaultParseLimits);
    while (left.size > 0) {
      const event = await walker.next();
      if (!event || !('tag' in event) || pixelDataTags.has(event.tag)) return;
      const { tag } = event;
      // The first of repeated elements counts, as in a header.
      const numbers = left.get(tag);
      left.delete(tag);
      if (event.kind === 'element' && !(numbers && event.vr === 'UN' && (await walker.enterUnknown()))) continue;
      if (numbers) for await (const [number, item] of body.items(numbers, characterSet)) yield { tag, number, item };
      if (left.size > 0 && walker.depth > 0) await walker.leave();
    }
  } finally {
    await close();
  }
}
