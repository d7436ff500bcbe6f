/**
 * Demographics nobody could meet by chance, and a scanner that knows them in whatever spelling a system may have put
 * them: as sent, folded, reordered, in pieces, percent-encoded, in base64, in hexadecimal.
 */
export const planted = {
  name: 'Zephyrquill^Ottokarina',
  /** Of another person under the same Patient ID. */
  otherName: 'Xylofrantz^Wendelgard',
  patientId: 'PIDQX-58213047',
  accessionNumber: 'ACCQZ-77941993',
  birthDate: '18790829',
  otherBirthDate: '18680731',
} as const;

/** What of a value is searched for: each part alone gives a patient away. */
const words = ['zephyrquill', 'ottokarina', 'xylofrantz', 'wendelgard', 'pidqx', 'accqz', '58213047', '77941993'];

const dates = [planted.birthDate, planted.otherBirthDate].flatMap(formsOfDate);

/** DA, ISO, and what people and programs write: both orders of day and month, with the usual separators. */
function formsOfDate(da: string): string[] {
  const [year, month, day] = [da.slice(0, 4), da.slice(4, 6), da.slice(6)];
  const orders = [
    [year, month, day],
    [day, month, year],
    [month, day, year],
    [year, day, month],
  ];
  return ['', '-', '.', '/', ' '].flatMap((separator) => orders.map((order) => order.join(separator)));
}

/** Texts as a program may have held them before it encoded them. */
const spellings = [...words.flatMap((word) => [word, word.toUpperCase(), capitalised(word)]), ...dates];

function capitalised(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

/** Of base64 only the characters that a text alone decides, at each of the three places it may begin. */
function base64Of(text: string): string[] {
  return [0, 1, 2].map((before) => {
    const encoded = Buffer.from('x'.repeat(before) + text).toString('base64');
    const first = Math.ceil((before * 8) / 6);
    return encoded.slice(first, Math.floor(((before + text.length) * 8) / 6));
  });
}

const inBase64 = [...new Set(spellings.flatMap(base64Of))].flatMap((text) => [
  text,
  text.replaceAll('+', '-').replaceAll('/', '_'),
]);
const inHex = spellings.map((text) => Buffer.from(text).toString('hex'));
const inUtf16 = words.map((word) => [...word].join('\0'));

/** Each planted thing that stands in the text, by the form it was found in. */
export function leaksIn(text: string): string[] {
  const folded = text.toLowerCase();
  const decoded = [unescaped(folded), unescaped(unescaped(folded))];
  const readings = [...new Set([folded, ...decoded])];
  const plain = readings.flatMap((reading) => {
    const prose = withoutIds(reading);
    return [
      ...words.filter((word) => (/^\d/.test(word) ? prose : reading).includes(word)),
      ...dates.filter((date) => prose.includes(date)),
    ];
  });
  const hex = inHex.filter((form) => folded.includes(form));
  const base64 = inBase64.filter((form) => text.includes(form));
  return [...new Set([...plain, ...hex, ...base64, ...inUtf16.filter((form) => folded.includes(form))])];
}

/** Percent-encoding, a plus for a space, and JSON's \\u escapes undone. */
function unescaped(text: string): string {
  return text
    .replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/\\u([0-9a-f]{4})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll('+', ' ')
    .toLowerCase();
}

/** UIDs and digests hold any digits by chance, sooner or later a date: they are left out where digits are looked for. */
function withoutIds(text: string): string {
  return text
    .replace(/[0-9]+(?:\.[0-9]+){2,}/g, (uid) => (uid.length > 20 ? ' ' : uid))
    .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, ' ')
    .replace(/[0-9a-f]{16,}/g, ' ');
}

/** The pieces of a sink that hold something planted, each with what it holds and where. */
export function leaksOf(pieces: readonly string[]): string[] {
  return pieces.flatMap((piece) => leaksIn(piece).map((leak) => `${leak} in ${excerpt(piece, leak)}`));
}

function excerpt(piece: string, leak: string): string {
  const at = Math.max(0, piece.toLowerCase().indexOf(leak.toLowerCase()));
  return JSON.stringify(piece.slice(Math.max(0, at - 200), at + 100));
}
