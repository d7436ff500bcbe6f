import { decimalString, type DicomJson, type DicomJsonElement, type DicomJsonValue } from '@callosum/dicom';

/** One attribute of the DICOM JSON model (PS3.18 F.2). */
export type Attribute = DicomJsonElement;

/** A dataset of the DICOM JSON model: tags as eight upper-case hex digits. */
export type Dataset = DicomJson;

/** An attribute with its values; without values it is present and empty (type 2). */
export function attribute(vr: string, ...values: readonly DicomJsonValue[]): Attribute {
  return values.length === 0 ? { vr } : { vr, Value: [...values] };
}

export const sequence = (...items: readonly Dataset[]): Attribute => attribute('SQ', ...items);

/** First value as text; undefined when absent or empty. Numbers are written as DICOM JSON gives them. */
export function textOf(dataset: Dataset, tag: string): string | undefined {
  const value = dataset[tag]?.Value?.[0];
  if (typeof value === 'string') return value === '' ? undefined : value;
  return typeof value === 'number' ? String(value) : undefined;
}

/** Values as finite numbers; DICOM JSON lets DS and IS be numbers or strings (PS3.18 F.2.3). */
export function numbersOf(dataset: Dataset, tag: string): readonly number[] {
  const values = dataset[tag]?.Value ?? [];
  return values.map(Number).filter((value) => Number.isFinite(value));
}

/** Numbers as Decimal Strings of at most 16 characters (PS3.5 6.2). */
export const decimals = (values: readonly number[]): Attribute => attribute('DS', ...values.map(decimalString));

/** Cut to what the VR may hold; characters, not bytes (PS3.5 6.2). */
export const clip = (text: string, charactersMax: number): string =>
  [...text].length <= charactersMax ? text : [...text].slice(0, charactersMax).join('').trimEnd();

/** A value that may stand in LO, SH and CS: a backslash would begin another value (PS3.5 6.2). */
export const singleValue = (text: string): string => text.replaceAll('\\', '/').trim();
