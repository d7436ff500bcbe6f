import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { topicCatalogue } from './index.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const proto = join(root, 'proto');
const buf = join(root, 'node_modules', '.bin', 'buf');
const work = mkdtempSync(join(tmpdir(), 'callosum-proto-'));
const image = join(work, 'image.binpb');

interface Ran {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly text: string;
}

function run(cwd: string, args: readonly string[], input?: Uint8Array): Ran {
  const { status, stdout, stderr } = spawnSync(buf, [...args], { cwd, ...(input ? { input } : {}) });
  return { code: status, stdout, text: `${stdout.toString()}${stderr.toString()}` };
}

beforeAll(() => {
  const built = run(proto, ['build', '-o', image]);
  if (built.code !== 0) throw new Error(built.text);
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

const golden = (type: string): unknown =>
  JSON.parse(readFileSync(new URL(`./golden/${type}.json`, import.meta.url), 'utf8'));

/** Through another implementation of ProtoJSON: buf's, which reads the schema and not our generated code. */
function convert(type: string, from: 'json' | 'binpb', to: 'json' | 'binpb', input: Uint8Array): Buffer {
  const ran = run(
    proto,
    ['convert', image, '--type', type, '--from', `-#format=${from}`, '--to', `-#format=${to}`],
    input,
  );
  if (ran.code !== 0) throw new Error(ran.text);
  return ran.stdout;
}

describe('golden events, read by buf', () => {
  it.each(topicCatalogue.map((topic) => [topic.type, topic] as const))(
    '%s: JSON and wire mean the same to both',
    (type, topic) => {
      const json = Buffer.from(JSON.stringify(golden(type)));
      const theirs = convert(type, 'json', 'binpb', json);
      const ours = topic.message.encode(topic.message.fromJSON(golden(type))).finish();
      expect(topic.message.toJSON(topic.message.decode(theirs))).toEqual(golden(type));
      // Members in the order of the schema, numbers and names as canonical ProtoJSON has them.
      const back = JSON.parse(convert(type, 'binpb', 'json', ours).toString()) as unknown;
      expect(JSON.stringify(back)).toBe(JSON.stringify(golden(type)));
    },
  );

  it('every field of every message is set in them', () => {
    const messages = descriptors();
    for (const { type } of topicCatalogue) expect(unset(messages, `.${type}`, golden(type), type)).toEqual([]);
  });
});

interface Field {
  readonly jsonName: string;
  readonly type: string;
  readonly typeName?: string;
}
type Messages = ReadonlyMap<string, readonly Field[]>;

function descriptors(): Messages {
  interface FileDescriptor {
    readonly package: string;
    readonly messageType?: readonly { readonly name: string; readonly field?: readonly Field[] }[];
  }
  const { file } = JSON.parse(run(proto, ['build', '-o', '-#format=json']).stdout.toString()) as {
    file: FileDescriptor[];
  };
  return new Map(
    file.flatMap((f) => (f.messageType ?? []).map((m) => [`.${f.package}.${m.name}`, m.field ?? []] as const)),
  );
}

/** Paths of fields that a golden value leaves out; of a repeated message its first element counts. */
function unset(messages: Messages, typeName: string, value: unknown, path: string): string[] {
  return (messages.get(typeName) ?? []).flatMap((field) => {
    const at = `${path}.${field.jsonName}`;
    const found = (value as Record<string, unknown>)[field.jsonName];
    const first: unknown = Array.isArray(found) ? found[0] : found;
    if (first === undefined) return [at];
    const inner = field.typeName ?? '';
    return field.type === 'TYPE_MESSAGE' && !inner.startsWith('.google.') ? unset(messages, inner, first, at) : [];
  });
}

describe('the schema is watched', () => {
  /** A copy of proto/ with one file changed. */
  function planted(file: string, from: string | RegExp, to: string): string {
    const folder = mkdtempSync(join(work, 'planted-'));
    cpSync(proto, folder, { recursive: true });
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8');
    const changed = text.replace(from, to);
    expect(changed).not.toBe(text);
    writeFileSync(path, changed);
    return folder;
  }
  const breaking = (folder: string): Ran => run(folder, ['breaking', '--against', join(proto, 'baseline.binpb')]);
  const events = 'callosum/imaging/v1/events.proto';

  it('as it stands it is clean and breaks nothing', () => {
    expect(run(proto, ['lint'])).toMatchObject({ code: 0, text: '' });
    expect(breaking(proto)).toMatchObject({ code: 0, text: '' });
  });

  it.each([
    ['a renumbered field', 'uint64 byte_count = 2', 'uint64 byte_count = 9'],
    ['a renamed field, which ProtoJSON spells out', 'string sop_class_uid = 4', 'string sop_class = 4'],
    ['another type', 'uint32 instance_revision = 7', 'string instance_revision = 7'],
    ['a field that is gone', /\n {2}string association_id = 12;/, ''],
    ['a renamed enum value', 'STUDY_CHANGE_REOPENED = 4', 'STUDY_CHANGE_OPENED_AGAIN = 4'],
  ])('%s fails against the baseline', (_, from, to) => {
    const ran = breaking(planted(events, from, to));
    expect(ran.code).not.toBe(0);
    expect(ran.text).toContain(events);
  });

  it('a new field passes', () => {
    expect(
      breaking(planted(events, 'string association_id = 12;', 'string association_id = 12;\n  string added = 99;'))
        .code,
    ).toBe(0);
  });

  const check = (folder: string): Ran => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [
      join(root, 'tools/contracts.mjs'),
      'check',
      folder,
    ]);
    return { code: status, stdout, text: `${stdout.toString()}${stderr.toString()}` };
  };

  it('what the baseline does not hold is noticed: nobody would see it break', () => {
    const added = check(planted(events, 'string association_id = 12;', '$&\n  string added = 99;'));
    expect(added.code).toBe(1);
    expect(added.text).toContain(`the baseline is older than the protos`);
    expect(added.text).toContain(events);
    // A comment is nothing that could break.
    expect(check(planted(events, 'string association_id = 12;', '// Said anew.\n  $&')).text).not.toContain('baseline');
    expect(check(proto)).toMatchObject({ code: 0, text: '' });
  });

  it.each([
    ['a field that is not lower_snake_case', 'string sop_class_uid = 4', 'string sopClassUid = 4', 'lower_snake_case'],
    ['an enum value without its prefix', 'STUDY_CHANGE_REOPENED', 'REOPENED', 'STUDY_CHANGE_'],
  ])('%s fails lint', (_, from, to, says) => {
    const ran = run(planted(events, from, to), ['lint']);
    expect(ran.code).not.toBe(0);
    expect(ran.text).toContain(says);
  });
});
