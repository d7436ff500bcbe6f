// The table of character sets of docs/conformance/dicom.md: what libs/standards/dicom reads and writes.
import { isKnownCharacterSet, textEncodingOf } from '@callosum/dicom';

const yes = (is) => (is ? 'yes' : '');

/** Defined terms of PS3.3 section C.12.1.1.2. */
const single = ['100', '101', '109', '110', '144', '127', '126', '138', '148', '203', '13', '166'];
const characterSetTerms = [
  ...single.map((number) => `ISO_IR ${number}`),
  ...['6', ...single, '87', '159', '149', '58'].map((number) => `ISO 2022 IR ${number}`),
  'ISO_IR 192',
  'GB18030',
  'GBK',
];
/** @param table (head, rows) → Markdown */
export const characterSets = (table) =>
  table(
    ['Specific Character Set', 'read', 'written'],
    ['', ...characterSetTerms].map((term) => [
      term || 'none (ISO-IR 6)',
      // A term of code extensions may stand behind another one only.
      yes(isKnownCharacterSet(term) || isKnownCharacterSet(`\\${term}`)),
      yes(textEncodingOf(term) !== undefined),
    ]),
  );
