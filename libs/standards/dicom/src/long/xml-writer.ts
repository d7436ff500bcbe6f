import type { DicomJsonElement } from '../json.js';
import type { Tag } from '../tags.js';
import { attribute, attributeBegin, isCreator, xmlFoot, xmlHead } from '../xml-attributes.js';
import type { DatasetWriter } from './dataset-writer.js';

/** The Native DICOM Model (PS3.19 A.1). */
export class XmlWriter implements DatasetWriter {
  /** Private Creators of the dataset and of each item around: they stand before what they reserve (PS3.5 7.8.1). */
  readonly #creators: Map<string, string>[] = [new Map()];
  /** Items of each sequence around, so far. */
  readonly #items: number[] = [];

  begin(): string {
    return xmlHead;
  }

  element(tag: Tag, element: DicomJsonElement): string {
    if (!isCreator(tag)) return [...attribute(tag, element, this.#here)].join('');
    const creator = element.Value?.[0];
    if (typeof creator === 'string' && creator !== '') this.#here.set(tag, creator);
    return '';
  }

  sequence(tag: Tag): string {
    this.#items.push(0);
    return attributeBegin(tag, 'SQ', this.#here);
  }

  item(): string {
    const number = (this.#items.pop() ?? 0) + 1;
    this.#items.push(number);
    this.#creators.push(new Map());
    return `${number === 1 ? '>' : ''}<Item number="${String(number)}">`;
  }

  itemEnd(): string {
    this.#creators.pop();
    return '</Item>';
  }

  sequenceEnd(): string {
    return this.#items.pop() === 0 ? '/>' : '</DicomAttribute>';
  }

  end(): string {
    return xmlFoot;
  }

  get #here(): Map<string, string> {
    const here = this.#creators.at(-1);
    if (!here) throw new RangeError('an item ends that has not begun');
    return here;
  }
}
