import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { promisify } from 'node:util';

import { MissingPrerequisite, orSkip, testDataPath } from '@callosum/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { type DicomJson, isPrivate, type ParsedFile, parseFile, toDicomJson, toDicomXml } from './index.js';

/** An attribute as the judge's XML parser finds it; PN groups as text, InlineBinary in hex. */
interface Attribute {
  readonly tag: string;
  readonly vr: string;
  readonly keyword: string;
  readonly creator: string;
  readonly content: Content | null;
}
type Content =
  | readonly ['Item', readonly (readonly Attribute[])[]]
  | readonly ['PersonName', readonly Readonly<Record<string, string>>[]]
  | readonly ['Value', readonly string[]]
  | readonly ['InlineBinary' | 'BulkData', string];
type Read = { readonly attributes: readonly Attribute[] } | { readonly broken: string };

const run = promisify(execFile);
const python = await orSkip(async () => {
  await run('python3', ['-c', 'import xml.etree.ElementTree']).catch(() => {
    throw new MissingPrerequisite('Python is not installed', 'install python3');
  });
  return 'python3';
});
const dcm2xml = await orSkip(async () => {
  await run('dcm2xml', ['--version']).catch(() => {
    throw new MissingPrerequisite("DCMTK's dcm2xml is not installed", 'apt install dcmtk');
  });
  return 'dcm2xml';
});

async function readDocuments(documents: readonly (string | Buffer)[]): Promise<readonly Read[]> {
  const child = spawn(python.server ?? '', [join(import.meta.dirname, '../test-support/native_model.py')]);
  child.stdin.end(JSON.stringify(documents.map((document) => Buffer.from(document).toString('base64'))));
  const [out, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  if (out === '') throw new Error(errors);
  return JSON.parse(out) as readonly Read[];
}
const attributesIn = (read: Read | undefined): readonly Attribute[] => {
  if (read && 'attributes' in read) return read.attributes;
  throw new Error(`the document breaks the schema: ${read?.broken ?? 'nothing was read'}`);
};
const documentOf = (json: DicomJson): string => [...toDicomXml(json)].join('');

const folder = testDataPath();
const files = folder
  ? readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.dcm') && !/malformed/.test(entry.parentPath))
      .map(({ parentPath, name }) => join(parentPath, name))
      .sort()
  : [];
/** One study is many files of one kind. */
const someOfEach = files.filter((file, i) => i % 8 === 0 || /charsets|results/.test(file));
const parsed = (file: string): ParsedFile | undefined => {
  try {
    return parseFile(readFileSync(file));
  } catch {
    return undefined;
  }
};
const json = ({ dataset }: ParsedFile): DicomJson =>
  toDicomJson(dataset, { bulkDataUri: (path) => `https://pacs.example/bulkdata/${path}`, inlineBytesMax: 64 * 1024 });
const found = someOfEach.flatMap((file) => {
  const of = parsed(file);
  return of ? [{ file, json: json(of) }] : [];
});

/** What the document of a dataset holds, said another way than the writer says it. */
function expected(dataset: DicomJson): readonly Omit<Attribute, 'keyword'>[] {
  return Object.entries(dataset)
    .filter(([tag]) => !(isPrivate(tag) && tag.slice(4, 6) === '00'))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([tag, { vr, Value: values = [], BulkDataURI: uri, InlineBinary: inline }]) => {
      const creator = isPrivate(tag) ? dataset[`${tag.slice(0, 4)}00${tag.slice(4, 6)}`]?.Value?.[0] : undefined;
      const content = ((): Content | null => {
        if (uri !== undefined) return ['BulkData', uri];
        if (inline !== undefined) return ['InlineBinary', Buffer.from(inline, 'base64').toString('hex')];
        if (values.length === 0) return null;
        if (vr === 'SQ') return ['Item', values.map((item) => expected(item as DicomJson) as Attribute[])];
        if (vr !== 'PN') return ['Value', values.map((value) => readable(value === null ? '' : String(value)))];
        return ['PersonName', values.map((value) => groupsOf(value as Record<string, string> | null))];
      })();
      const named = typeof creator === 'string';
      return { tag: named ? `${tag.slice(0, 4)}00${tag.slice(6)}` : tag, vr, creator: named ? creator : '', content };
    });
}
const groupsOf = (name: Readonly<Record<string, string>> | null): Record<string, string> =>
  Object.fromEntries(
    Object.entries(name ?? {})
      .map(([group, text]) => [group, readable(text).replace(/\^+$/, '')] as const)
      .filter(([, text]) => text !== ''),
  );
/** Characters of XML 1.0 (2.2), by number. */
const readable = (text: string): string =>
  Array.from(text)
    .map((character) => {
      const code = character.codePointAt(0) ?? 0;
      const isOfXml =
        [0x9, 0xa, 0xd].includes(code) ||
        (code >= 0x20 && code <= 0xd7ff) ||
        (code >= 0xe000 && code <= 0xfffd) ||
        code >= 0x10000;
      return isOfXml ? character : '\ufffd';
    })
    .join('');

function withoutKeyword(attributes: readonly Attribute[]): readonly unknown[] {
  return attributes.map(({ keyword: _, content, ...attribute }) => ({
    ...attribute,
    content: content?.[0] === 'Item' ? ['Item', content[1].map(withoutKeyword)] : content,
  }));
}

describe.skipIf(python.missing !== undefined)("Python's XML parser", () => {
  it.skipIf(folder === undefined)(
    'finds in the document of each file of the test data what its JSON holds',
    async () => {
      const read = await readDocuments(found.map((one) => documentOf(one.json)));
      for (const [i, { file, json: dataset }] of found.entries()) {
        expect(withoutKeyword(attributesIn(read[i])), file).toEqual(expected(dataset));
      }
      expect(found.length).toBeGreaterThan(50);
    },
  );

  it('gives any text back, but for characters that XML cannot hold', async () => {
    const unit = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...'<>&"\'\r\n\t\0\x1b\x0c\x7f\x85\u2028\ufffe\uffff]; ') },
      { weight: 1, arbitrary: fc.nat({ max: 0xffff }).map((code) => String.fromCharCode(code)) },
      { weight: 1, arbitrary: fc.constantFrom('😀', '中', 'Ж', 'e\u0301') },
    );
    const sampled = fc.sample(fc.string({ unit, minLength: 1, maxLength: 40 }), { seed: 32, numRuns: 2000 });
    // One component: a circumflex would begin another.
    const texts = sampled.map((text) => text.replaceAll('^', ''));
    const read = await readDocuments([
      documentOf({
        '00080070': { vr: 'UT', Value: texts },
        '00101001': { vr: 'PN', Value: texts.map((text) => ({ Alphabetic: text })) },
      }),
    ]);
    const [values, names] = attributesIn(read[0]);
    expect(values?.content).toEqual(['Value', texts.map(readable)]);
    expect(names?.content).toEqual(['PersonName', texts.map((text) => groupsOf({ Alphabetic: text }))]);
  });
});

/** What a value means, where two writers put it in other words. */
function meaning({ vr, content }: Attribute): unknown {
  // Of a name that is nothing but separators DCMTK writes no element; it is not of zero length (Table A.1.5-2).
  if (content?.[0] === 'PersonName')
    return content[1].every((name) => Object.keys(name).length === 0) ? null : content[1].map(withoutEcho);
  if (content?.[0] !== 'Value') return content;
  return content[1].map((value) => {
    const text = value.replace(/^ +|[ \0]+$/g, '');
    if (/^(DS|IS|[SU][SLV])$/.test(vr)) return text === '' ? '' : Number(text);
    // DCMTK writes a digit more than a number has, and one less than another would need.
    return /^F[LD]$/.test(vr) ? Number(text).toPrecision(vr === 'FL' ? 6 : 14) : text;
  });
}

/** DCMTK 3.6.7 reads "a=b=" as "a=b=b". */
const withoutEcho = ({ Phonetic: phonetic, ...name }: Readonly<Record<string, string>>): object =>
  phonetic === undefined || phonetic === name['Ideographic'] ? name : { ...name, Phonetic: phonetic };

/** DCMTK puts the words of OW into base64 with the high byte first; bulk data is little-endian here (PS3.18 8.7.3.3.1). */
const wordsSwapped = (one: Attribute): Attribute =>
  one.vr === 'OW' && one.content?.[0] === 'InlineBinary'
    ? { ...one, content: ['InlineBinary', Buffer.from(one.content[1], 'hex').swap16().toString('hex')] }
    : one;

/** (0008,0005) is of each writer's own text; DCMTK has the creators both as attributes and beside what they created. */
const compared = (attributes: readonly Attribute[]): readonly Attribute[] =>
  attributes.filter(
    ({ tag, creator }) =>
      tag !== '00080005' && !tag.startsWith('0002') && !(isPrivate(tag) && creator === '' && /^.{4}00/.test(tag)),
  );
const nameOf = ({ tag, creator }: Attribute): string => `${tag} ${creator}`;

/** One line for each attribute that one has and the other has not, or has with another meaning. */
function differences(ours: readonly Attribute[], theirs: readonly Attribute[], at = ''): string[] {
  const left = new Map(compared(theirs).map((one) => [nameOf(one), one]));
  const lines = compared(ours).flatMap((one): string[] => {
    const name = nameOf(one);
    const other = left.get(name);
    left.delete(name);
    if (!other) return [`${at}${name}: DCMTK has none`];
    // An object in Implicit VR says no VR: of private attributes DCMTK knows some, and chooses otherwise between two.
    if (one.vr !== other.vr) return [];
    if (one.content?.[0] === 'BulkData' || other.content?.[0] === 'BulkData') return [];
    if (one.content?.[0] === 'Item' && other.content?.[0] === 'Item') {
      const theirItems = other.content[1];
      if (one.content[1].length !== theirItems.length) return [`${at}${name}: ${String(theirItems.length)} items`];
      return one.content[1].flatMap((item, i) => differences(item, theirItems[i] ?? [], `${at}${name}/${String(i)}/`));
    }
    const isSame = JSON.stringify(meaning(one)) === JSON.stringify(meaning(wordsSwapped(other)));
    // What PS3.6 has retired has no keyword there.
    const keywords =
      other.keyword === '' || one.keyword === other.keyword ? [] : [`${at}${name}: keyword ${other.keyword}`];
    return isSame ? keywords : [...keywords, `${at}${name} ${one.vr}: another value`];
  });
  return [...lines, ...[...left.keys()].map((name) => `${at}${name}: only DCMTK has it`)];
}

describe.skipIf(folder === undefined || python.missing !== undefined || dcm2xml.missing !== undefined)(
  'dcm2xml --native-format',
  () => {
    it('finds the same attributes, creators, items and values', async () => {
      const theirs: { file: string; json: DicomJson; document: Buffer }[] = [];
      for (const { file, json: dataset } of found) {
        // Of encapsulated pixels it writes what it likes, and some character sets it does not convert.
        const args = ['-q', '-nat', '+Xn', '+Eb', '+U8', file];
        const document = await run(dcm2xml.server ?? '', args, { encoding: 'buffer', maxBuffer: 2 ** 28 }).then(
          ({ stdout }) => stdout,
          () => undefined,
        );
        if (document) theirs.push({ file, json: dataset, document });
      }
      const read = await readDocuments(theirs.flatMap((one) => [documentOf(one.json), one.document]));
      let readOfThem = 0;
      for (const [i, { file }] of theirs.entries()) {
        const other = read[2 * i + 1];
        // It writes ESC and other control characters by number, which no parser takes, where it does not convert.
        if (!other || 'broken' in other) continue;
        readOfThem++;
        expect(differences(attributesIn(read[2 * i]), other.attributes), file).toEqual([]);
      }
      expect(readOfThem).toBeGreaterThan(40);
    });
  },
);
