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
  export function convertBytes(characterSet: string | undefined, bytes: Uint8Array, options?: { vr?: string }): string;
}
