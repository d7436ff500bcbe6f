import type { DicomDataset } from '../dataset.js';
import { toDicomJson, type ToDicomJsonOptions } from '../json.js';
import { rangedFile, type RangedFile } from '../parse/dataset-stream.js';
import { loopTurns } from '../parse/loop-turns.js';
import type { RangeReader } from '../pixels/layout.js';
import type { Tag } from '../tags.js';
import type { DatasetWriter } from './dataset-writer.js';
import { headerEvents } from './header-events.js';
import { JsonWriter } from './json-writer.js';
import { XmlWriter } from './xml-writer.js';

/** Characters of a string that is given, at least, but for the last. */
const givenCharsMin = 64 * 1024;

/** A dataset that is never held: its text is made of the stored object, in strings, as it is taken. */
export interface LongDataset {
  /** As `dicomJsonText` of `toDicomJson`. Thrown when the object is broken: DicomParseError. What `read` throws passes. */
  json(): AsyncGenerator<string>;
  /** As `toDicomXml`. Errors as `json`. */
  xml(): AsyncGenerator<string>;
}

/**
 * All that stands before Pixel Data, also sequences that `readHeader` leaves out.
 * @param read bytes of the file; called within the generators too
 * Thrown when it is no DICOM file: DicomParseError. What `read` throws passes.
 */
export async function longDataset(
  read: RangeReader,
  fileBytes: number,
  options: ToDicomJsonOptions,
): Promise<LongDataset> {
  const file = await rangedFile(read, fileBytes);
  return {
    json: () => inStrings(written(file, options, new JsonWriter())),
    xml: () => inStrings(written(file, options, new XmlWriter())),
  };
}

async function* written(file: RangedFile, options: ToDicomJsonOptions, writer: DatasetWriter): AsyncGenerator<string> {
  /** Of each sequence around the walk: where in the instance it is, and how many items of it have come. */
  const around: { readonly path: string; items: number }[] = [];
  const pathIn = (): string => {
    const sequence = around.at(-1);
    return sequence ? `${sequence.path}/${String(sequence.items - 1)}/` : '';
  };
  yield writer.begin();
  const textOf = (tag: Tag, dataset: DicomDataset): string => {
    const json = toDicomJson(dataset, options, pathIn())[tag];
    // Group lengths are left out.
    return json ? writer.element(tag, json) : '';
  };
  for await (const event of headerEvents(file, textOf)) {
    switch (event.kind) {
      case 'element':
        yield event.text;
        break;
      case 'sequence':
        around.push({ path: `${pathIn()}${event.tag}`, items: 0 });
        yield writer.sequence(event.tag);
        break;
      case 'item': {
        const sequence = around.at(-1);
        if (sequence) sequence.items++;
        yield writer.item();
        break;
      }
      case 'item-end':
        yield writer.itemEnd();
        break;
      case 'sequence-end':
        around.pop();
        yield writer.sequenceEnd();
    }
  }
  yield writer.end();
}

async function* inStrings(texts: AsyncGenerator<string>): AsyncGenerator<string> {
  let some = '';
  for await (const text of texts) {
    some += text;
    if (some.length < givenCharsMin) continue;
    yield some;
    some = '';
    // Some hundred elements: who takes them as fast as they come would keep others from their turn.
    await loopTurns.next();
  }
  if (some !== '') yield some;
}
