declare module 'dcmjs/dictionary' {
  interface DictionaryEntry {
    readonly tag: string;
    readonly vr: string;
    readonly vm: string;
    readonly name: string;
    readonly version: string;
  }
  const dictionary: Readonly<Record<string, DictionaryEntry>>;
  export default dictionary;
}
declare module 'dicom-character-set' {
  interface CodeElement {
    readonly codeElement: 'G0' | 'G1';
    readonly escapeSequence: readonly number[];
    readonly encoding: string;
    readonly bytesPerCodePoint: number;
  }
  interface CharacterSet {
    readonly encoding?: string;
    readonly extension?: boolean;
    readonly elements?: readonly CodeElement[];
  }
  /** By defined term; what is added to it is read, too. */
  export const characterSets: Record<string, CharacterSet | undefined>;
  export function convertBytes(characterSet: string | undefined, bytes: Uint8Array, options?: { vr?: string }): string;
}
