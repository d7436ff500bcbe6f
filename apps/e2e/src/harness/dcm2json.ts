import type { DicomJson } from './dicomweb.js';
import { run } from './processes.js';

interface Attribute {
  readonly vr: string;
  readonly Value?: readonly unknown[];
  readonly InlineBinary?: string;
  readonly BulkDataURI?: string;
}

/**
 * What DCMTK makes of a file (PS3.18 F.2); undefined where it does not know its character set, or has no JSON of it.
 * @throws {Error} with what it says when it cannot read it
 */
export async function dcm2json(path: string): Promise<DicomJson | undefined> {
  const { code, stdout, stderr } = await run('dcm2json', ['--encode-extended', '--compact-code', path]);
  if (/Cannot open character encoding|not supported for compressed pixel data/.test(stderr)) return undefined;
  if (code !== 0) throw new Error(`dcm2json: ${stderr.slice(-500)}`);
  return JSON.parse(stdout) as DicomJson;
}

/**
 * Where two datasets say something else. Left out: Specific Character Set, since both are UTF-8; values that one of them
 * has as bytes, of which it is only compared that both have them; numbers are compared as numbers, whatever JSON has them as.
 * @returns paths of tags and item numbers
 */
export function differences(one: DicomJson, other: DicomJson, path = ''): string[] {
  const tags = [...new Set([...Object.keys(one), ...Object.keys(other)])].filter((tag) => tag !== '00080005').sort();
  return tags.flatMap((tag) => {
    const [a, b] = [one[tag], other[tag]] as [Attribute | undefined, Attribute | undefined];
    const at = `${path}${tag}`;
    if (!a || !b) return [`${at} ${a ? 'only here' : 'only there'}`];
    if (a.vr !== b.vr) return [`${at} ${a.vr} and ${b.vr}`];
    if (isBytes(a) || isBytes(b)) return isBytes(a) === isBytes(b) ? [] : [`${at} bytes`];
    const [mine, theirs] = [a.Value ?? [], b.Value ?? []];
    if (a.vr === 'SQ') {
      if (mine.length !== theirs.length) return [`${at} items`];
      return mine.flatMap((item, i) => differences(item as DicomJson, theirs[i] as DicomJson, `${at}/${String(i)}/`));
    }
    const [said, heard] = [mine, theirs].map((values) => JSON.stringify(plainValues(a.vr, values)));
    return said === heard ? [] : [`${at} ${JSON.stringify(mine)} and ${JSON.stringify(theirs)}`];
  });
}

const isBytes = ({ InlineBinary, BulkDataURI }: Attribute): boolean =>
  InlineBinary !== undefined || BulkDataURI !== undefined;

const numbers: ReadonlySet<string> = new Set(['DS', 'IS', 'FL', 'FD', 'US', 'SS', 'UL', 'SL', 'UV', 'SV']);

/** None where all of them are empty: "^^^^" is a name to us, and none to DCMTK. */
function plainValues(vr: string, values: readonly unknown[]): readonly unknown[] {
  const all = values.map((value) => plain(vr, value));
  return all.every((value) => value === null) ? [] : all;
}

function plain(vr: string, value: unknown): unknown {
  if (value === null || value === '') return null;
  if (vr === 'PN') {
    const groups = Object.entries(value as Record<string, string>).filter(([, group]) => !/^\^*$/.test(group));
    return groups.length === 0 ? null : Object.fromEntries(groups);
  }
  if (!numbers.has(vr) || !Number.isFinite(Number(value))) return value;
  return vr === 'FL' ? Math.fround(Number(value)) : Number(value);
}
