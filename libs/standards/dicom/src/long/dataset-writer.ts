import type { DicomJsonElement } from '../json.js';
import type { Tag } from '../tags.js';

/** Writes a dataset as it is walked. What is returned is text that belongs behind what was before. */
export interface DatasetWriter {
  begin(): string;
  element(tag: Tag, element: DicomJsonElement): string;
  sequence(tag: Tag): string;
  item(): string;
  itemEnd(): string;
  sequenceEnd(): string;
  end(): string;
}
