import type { DicomJsonElement } from '../json.js';
import { dicomJsonText } from '../json-text.js';
import type { Tag } from '../tags.js';
import type { DatasetWriter } from './dataset-writer.js';

/** The DICOM JSON Model (PS3.18 F.2). */
export class JsonWriter implements DatasetWriter {
  /** Of the dataset and each sequence and item around: whether something stands in it already. */
  readonly #begun: boolean[] = [false];

  begin(): string {
    return '{';
  }

  element(tag: Tag, element: DicomJsonElement): string {
    return `${this.#comma()}${dicomJsonText({ [tag]: element }).slice(1, -1)}`;
  }

  sequence(tag: Tag): string {
    const text = `${this.#comma()}"${tag}":{"vr":"SQ"`;
    this.#begun.push(false);
    return text;
  }

  item(): string {
    const isFirst = this.#comma() === '';
    this.#begun.push(false);
    return isFirst ? ',"Value":[{' : ',{';
  }

  itemEnd(): string {
    this.#begun.pop();
    return '}';
  }

  /** One without items has no Value. */
  sequenceEnd(): string {
    return this.#begun.pop() === true ? ']}' : '}';
  }

  end(): string {
    return '}';
  }

  #comma(): string {
    const last = this.#begun.length - 1;
    const comma = this.#begun[last] === true ? ',' : '';
    this.#begun[last] = true;
    return comma;
  }
}
