import { execFile, spawn } from 'node:child_process';
import { join } from 'node:path';
import { text as textOf } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { MissingPrerequisite, orSkip } from '@callosum/testing';
import { describe, expect, it } from 'vitest';
import { encodeDataset, parseDataset, personName, textEncodingOf } from './index.js';

const run = promisify(execFile);
const python = await orSkip(async () => {
  for (const candidate of [process.env['CALLOSUM_TEST_PYTHON'], 'python3']) {
    if (candidate === undefined) continue;
    const has = await run(candidate, ['-c', 'import pydicom']).then(
      () => true,
      () => false,
    );
    if (has) return candidate;
  }
  throw new MissingPrerequisite(
    'pydicom is not installed',
    'pip install pydicom==3.0.2, and CALLOSUM_TEST_PYTHON=<python>',
  );
});

interface Asked {
  readonly read: readonly { readonly bytes: string; readonly transferSyntaxUid: string }[];
  readonly write: readonly {
    readonly characterSet: string;
    readonly name: string;
    readonly description: string;
    readonly transferSyntaxUid: string;
  }[];
}
interface Answered {
  readonly read: readonly Readonly<Record<string, unknown>>[];
  readonly write: readonly string[];
}

async function ask(asked: Asked): Promise<Answered> {
  const child = spawn(python.server ?? '', [join(import.meta.dirname, '../test-support/pydicom_text.py')]);
  child.stdin.end(JSON.stringify(asked));
  const [out, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr)]);
  if (out === '') throw new Error(errors);
  return JSON.parse(out) as Answered;
}

const syntaxes = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.2', '1.2.840.10008.1.2.1.99'];

/** A name and a description in each set that pydicom knows; ISO_IR 203 is younger than it. */
const samples: readonly (readonly [characterSet: string, name: string, description: string])[] = [
  ['', 'Doe^Jane', 'CT of the chest'],
  ['ISO_IR 100', 'Müller^Äöß', 'Schädel über alles'],
  ['ISO_IR 101', 'Wałęsa^Łucja', 'Czaszka głowy'],
  ['ISO_IR 109', 'Ĉarlo^Ħanna', 'ĝis ŝi'],
  ['ISO_IR 110', 'Bērziņš^Jānis', 'galvaskauss ģ'],
  ['ISO_IR 144', 'Люкceмбypг^Ёж', 'Голова'],
  ['ISO_IR 127', 'قباني^لنزار', 'صدر'],
  ['ISO_IR 126', 'Διονυσιος^Άννα', 'Θώρακας'],
  ['ISO_IR 138', 'שרון^דבורה', 'חזה'],
  ['ISO_IR 148', 'Çavuşoğlu^İpek', 'Göğüs'],
  ['ISO_IR 166', 'นามสกุล^ชื่อ', 'ทรวงอก'],
  ['ISO_IR 13', 'ﾔﾏﾀﾞ^ﾀﾛｳ', 'ｷｮｳﾌﾞ'],
  ['ISO 2022 IR 6\\ISO 2022 IR 100', 'Buc^Jérôme', 'Crâne'],
  ['ISO 2022 IR 100\\ISO 2022 IR 144\\ISO 2022 IR 126', 'Buc^Jérôme=Люк=Διον', 'é Люк Διον'],
  ['\\ISO 2022 IR 87', 'Yamada^Tarou=山田^太郎=やまだ^たろう', '胸部 CT 検査'],
  ['ISO 2022 IR 13\\ISO 2022 IR 87', 'ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう', '胸部 ｷｮｳﾌﾞ'],
  ['\\ISO 2022 IR 87\\ISO 2022 IR 159', 'Test=丂山^丄', '丂山'],
  ['\\ISO 2022 IR 149', 'Hong^Gildong=洪^吉洞=홍^길동', '흉부 CT'],
  ['\\ISO 2022 IR 58', 'Zhang^XiaoDong=张^小东', '胸部检查'],
  ['GBK', 'Zhang=張^鎔東', '胸部檢查'],
  ['GB18030', 'Wang^XiaoDong=王^小东', '胸部 𠂉 한'],
  ['ISO_IR 192', 'Wang=王^小東=Ä', '胸部 한 😀'],
];

/**
 * pydicom 3.0.2 takes ISO 2022 IR 58 for a set whose escape sequences Python's decoder knows: it leaves them in what it
 * reads and out of what it writes.
 */
const withoutGb2312Escapes = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value).replaceAll('\\u001b$)A', '')) as unknown;
const isGb2312 = (characterSet: string): boolean => characterSet.includes('IR 58');

describe.skipIf(python.missing !== undefined)('pydicom', () => {
  it('reads the text that was written here, in each transfer syntax and character set, also in items', async () => {
    const written = samples.flatMap(([characterSet, name, description]) =>
      syntaxes.map((transferSyntaxUid) => {
        const encoded = encodeDataset(
          {
            '00081030': { vr: 'LO', Value: [description] },
            '00100010': { vr: 'PN', Value: [personName(name)] },
            '00280010': { vr: 'US', Value: [512] },
            '00400275': { vr: 'SQ', Value: [{ '00321060': { vr: 'LO', Value: [description] } }] },
          },
          { transferSyntaxUid, characterSets: [characterSet] },
        );
        expect(encoded.characterSet).toBe(characterSet);
        return { bytes: Buffer.from(encoded.bytes).toString('base64'), transferSyntaxUid, name, description };
      }),
    );
    const { read } = await ask({ read: written, write: [] });
    read.forEach((found, i) => {
      const { name, description } = written[i] ?? { name: '', description: '' };
      expect(withoutGb2312Escapes(found)).toMatchObject({
        '00081030': description,
        '00100010': name,
        '00280010': '512',
        '00400275': [{ '00321060': description }],
      });
    });
  });

  it('writes text that is read here as it was meant', async () => {
    const write = samples
      .filter(([characterSet]) => characterSet !== '' && !isGb2312(characterSet))
      .map(([characterSet, name, description], i) => ({
        characterSet,
        name,
        description,
        transferSyntaxUid: syntaxes[i % 3] ?? '',
      }));
    const { write: written } = await ask({ read: [], write });
    write.forEach(({ characterSet, name, description, transferSyntaxUid }, i) => {
      const { dataset } = parseDataset(Buffer.from(written[i] ?? '', 'base64'), transferSyntaxUid);
      expect(dataset.strings('PatientName'), characterSet).toEqual([name]);
      expect(dataset.strings('StudyDescription'), characterSet).toEqual([description]);
      expect(textEncodingOf(characterSet)?.encode(name, 'PN'), characterSet).toBeDefined();
    });
  });
});
