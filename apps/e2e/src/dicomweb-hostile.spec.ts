import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';

import { toDicomJson, parseFile } from '@callosum/dicom';
import { tinyCt } from '@callosum/phantom';
import { forgetPeak, mebi, peakOf } from '@callosum/stack';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { qido } from './harness/dicomweb.js';
import { deflateBomb, type HostileFile, nestedSequences } from './harness/hostile-files.js';
import {
  expectHoldings,
  expectNothingSaid,
  hostileName,
  hostileObject,
  settledHoldings,
} from './harness/hostile-store.js';
import { testData } from './harness/paths.js';
import {
  bodyOf,
  boundary,
  type Holdings,
  holdingsOf,
  multipartType,
  partOf,
  post,
  reasonsIn,
  referencedIn,
} from './harness/stow.js';

const partsMax = 20_000;

describe('hostile STOW-RS requests', () => {
  let system: Callosum;
  let before: Holdings;

  beforeAll(async () => {
    system = await Callosum.start('dicomweb-hostile', {
      worker: false,
      env: { CALLOSUM_STOW_PARTS_MAX: String(partsMax) },
    });
  });
  afterAll(() => system.stop());
  beforeEach(async () => {
    before = await holdingsOf(system);
  });

  const json = { 'content-type': multipartType('application/dicom+json') };
  const metadata = (text: Uint8Array | string): Buffer => partOf(text, { 'Content-Type': 'application/dicom+json' });
  const nestedJson = `[${'{"00081140":{"vr":"SQ","Value":['.repeat(10_000)}${']}}'.repeat(10_000)}]`;
  const ct = parseFile(tinyCt().bytes).dataset;
  const withUid = (tag: string, uid: string): string =>
    JSON.stringify([{ ...toDicomJson(ct, { omitBulkData: true }), [tag]: { vr: 'UI', Value: [uid] } }]);

  it.each<[string, number, () => Uint8Array, Record<string, string>?]>([
    ['nothing', 400, () => Buffer.alloc(0)],
    ['a boundary that never comes', 400, () => Buffer.from('no boundary here')],
    ['a boundary behind megabytes', 400, () => Buffer.concat([Buffer.alloc(2_000_000), bodyOf(partOf('x'))])],
    ['headers without an end', 413, () => Buffer.from(`--${boundary}\r\n${'x'.repeat(100_000)}`)],
    ['a header without a colon', 400, () => Buffer.from(`--${boundary}\r\nnonsense\r\n\r\nx\r\n`)],
    ['no closing boundary', 400, () => partOf('x')],
    ['lines that end with a line feed', 400, () => Buffer.from(`--${boundary}\n\nx\n--${boundary}--\n`)],
    ['no boundary parameter', 400, () => bodyOf(partOf('x')), { 'content-type': 'multipart/related' }],
    ['a media type that is none', 415, () => bodyOf(partOf('x')), { 'content-type': '<script>' }],
    ['a page', 415, () => Buffer.from('<script>alert(1)</script>'), { 'content-type': 'text/html' }],
    ['a page in a part', 415, () => bodyOf(partOf('<script>', { 'Content-Type': 'text/html' }))],
    ['a gzip bomb', 415, () => gzipSync(Buffer.alloc(32_000_000)), { 'content-encoding': 'gzip' }],
    ['XML', 415, () => bodyOf(partOf('x')), { 'content-type': multipartType('application/dicom+xml') }],
    ['an object of no byte', 409, () => bodyOf(partOf(''))],
    ['a million parts', 413, () => Buffer.from(`--${boundary}\r\n\r\n\r\n`.repeat(1_000_000))],
    ['what inflates to more than a gibibyte', 409, () => bodyOf(partOf(deflateBomb('past', 1_100).bytes))],
    ['10,000 nested sequences', 409, () => bodyOf(partOf(nestedSequences('deep', 10_000).bytes))],
    ['10,000 nested sequences in JSON', 400, () => bodyOf(metadata(nestedJson)), json],
    ['a million brackets in JSON', 400, () => bodyOf(metadata(`[${'['.repeat(1_000_000)}`)), json],
    ['four million values in JSON', 413, () => bodyOf(metadata(`[{"a":[${'0,'.repeat(4_000_000)}0]}]`)), json],
    [
      'JSON that is cut off',
      400,
      () => bodyOf(metadata(`[{"00100010":{"vr":"PN","Value":[{"Alphabetic":"${hostileName}"`)),
      json,
    ],
    ['JSON that is none', 409, () => bodyOf(metadata(`[{"00100010": ${hostileName}}]`)), json],
    ['JSON with a prototype', 409, () => bodyOf(metadata('[{"__proto__":{"00080018":{"vr":"UI"}}}]')), json],
    [
      'JSON whose SOP Instance UID is a path',
      409,
      () => bodyOf(metadata(withUid('00080018', '../../../etc/passwd'))),
      json,
    ],
    ['JSON whose Study Instance UID is a path', 409, () => bodyOf(metadata(withUid('0020000D', '../../1.2.3'))), json],
    [
      'an object whose Series Instance UID is a path',
      409,
      () => {
        const { bytes, seriesInstanceUid } = tinyCt();
        const path = `../${'x'.repeat(seriesInstanceUid.length - 3)}`;
        return bodyOf(
          partOf(Buffer.from(Buffer.from(bytes).toString('latin1').replaceAll(seriesInstanceUid, path), 'latin1')),
        );
      },
    ],
  ])('%s: %i, and nothing is kept', async (_what, status, body, headers) => {
    const answer = await post(system, body(), headers);
    expect([answer.status, answer.text.slice(0, 300)]).toEqual([status, expect.any(String)]);
    expect(answer.text).not.toContain('<script>');
    expect(answer.type).toMatch(/^(application\/dicom\+json|application\/problem\+json.*|text\/plain; charset=utf-8)$/);
    await expectHoldings(system, before);
  });

  it('what inflates to half a gibibyte is kept, and nobody who reads it holds it', async () => {
    const [small, bomb] = [deflateBomb('small', 1), deflateBomb('below', 512)];
    expect(bomb.bytes.length).toBeLessThan(mebi);
    const read = async ({ studyInstanceUid, seriesInstanceUid, sopInstanceUid }: HostileFile): Promise<number> => {
      const path = `studies/${studyInstanceUid}/series/${seriesInstanceUid}/instances/${sopInstanceUid}`;
      expect(await qido(system.httpUrl, `${path}/metadata`)).toHaveLength(1);
      const accept = 'multipart/related; type="application/dicom"';
      const answer = await fetch(`${system.httpUrl}/dicom-web/${path}`, { headers: { accept } });
      expect(answer.status).toBe(200);
      let byteCount = 0;
      for await (const chunk of answer.body as AsyncIterable<Uint8Array>) byteCount += chunk.length;
      return byteCount;
    };
    // What the first of a kind costs is not the bomb's.
    expect((await post(system, bodyOf(partOf(small.bytes)))).status).toBe(200);
    await read(small);
    forgetPeak(system.pid);
    const restMiB = peakOf(system.pid);
    expect((await post(system, bodyOf(partOf(bomb.bytes)))).status).toBe(200);
    expect(await read(bomb)).toBeGreaterThan(512 * mebi);
    const peakMiB = peakOf(system.pid);
    process.stdout.write(`512 MiB inflated: ${restMiB} MiB at rest, ${peakMiB} MiB at most\n`);
    expect(peakMiB - restMiB).toBeLessThan(192);
  });

  it('sequences that are nested as deep as real ones are kept', async () => {
    const file = nestedSequences('shallow', 20);
    expect((await post(system, bodyOf(partOf(file.bytes)))).status).toBe(200);
  });

  it.each([
    'studies/..%2f..%2fetc',
    'studies/1.2.3%00',
    'studies/%3Cscript%3E',
    `studies/${'1.'.repeat(40)}1`,
    'from/%2e%2e%2f/studies',
    'from/a%2fb/studies',
    'from/<script>/studies',
  ])('a path with tricks: %s', async (path) => {
    const answer = await post(system, bodyOf(partOf(hostileObject('path-tricks').bytes)), {}, path);
    expect([400, 404]).toContain(answer.status);
    expect(answer.text).not.toContain('<script>');
    await expectHoldings(system, before);
  });

  const malformed = testData('malformed');
  it.skipIf(malformed === undefined)('each malformed file is kept whole or refused with a reason', async () => {
    const files = readdirSync(malformed ?? '', { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && !/\.(json|md|txt)$/.test(entry.name))
      .map(({ parentPath, name: file }) => join(parentPath, file))
      .sort();
    expect(files.length).toBeGreaterThan(120);
    const refused: string[] = [];
    for (const path of files) {
      const had = await settledHoldings(system);
      const answer = await post(system, bodyOf(partOf(readFileSync(path))));
      const has = await settledHoldings(system);
      const where = `${basename(path)}: ${answer.status} ${answer.text.slice(0, 200)}`;
      expect([200, 202, 409], where).toContain(answer.status);
      // Of a known UID with the same dataset nothing is written.
      expect(has.rows - had.rows, where).toBe(has.blobs - had.blobs);
      expect(has.rows - had.rows, where).toBeLessThanOrEqual(referencedIn(answer).length);
      if (answer.status !== 409) continue;
      refused.push(basename(path));
      expect(reasonsIn(answer), where).toEqual([expect.stringMatching(/^(c000|a900|c122|122)$/)]);
    }
    expect(refused.sort()).toMatchInlineSnapshot(`
      [
        "ExplVR_BigEndNoMeta.dcm",
        "ExplVR_LitEndNoMeta.dcm",
        "JLSL_RGB_ILV1.dcm",
        "MR_truncated.dcm",
        "UN_sequence.dcm",
        "badVR.dcm",
        "empty-series-uid.dcm",
        "empty.dcm",
        "empty_charset_LEI.dcm",
        "emri_small_jpeg_2k_lossless_too_short.dcm",
        "encapsulated-no-sequence-delimiter.dcm",
        "generated_encapsulated_defined_bot_1_to_1.dcm",
        "generated_encapsulated_defined_bot_2_to_1.dcm",
        "generated_encapsulated_defined_bot_2_to_2.dcm",
        "generated_encapsulated_empty_bot_1_to_1.dcm",
        "generated_encapsulated_empty_bot_2_to_1.dcm",
        "gzip-of-valid.dcm",
        "jpeg-renamed.dcm",
        "length-past-eof.dcm",
        "magic-only.dcm",
        "meta-sop-class-mismatch.dcm",
        "meta-sop-uid-mismatch.dcm",
        "meta-without-transfer-syntax.dcm",
        "meta_missing_tsyntax.dcm",
        "nested-200.dcm",
        "nested_priv_SQ.dcm",
        "no-meta-length-test.dcm",
        "no-preamble-no-meta.dcm",
        "no-sop-instance-uid.dcm",
        "no-study-uid.dcm",
        "no_meta.dcm",
        "no_meta_group_length.dcm",
        "preamble-only.dcm",
        "priv_SQ.dcm",
        "rtplan_truncated.dcm",
        "rtstruct.dcm",
        "sequence-without-delimiter.dcm",
        "text-renamed.dcm",
        "truncated-in-dataset.dcm",
        "truncated-in-meta.dcm",
        "truncated-in-pixeldata.dcm",
        "uid-65-chars.dcm",
        "uid-path-traversal.dcm",
        "uid-with-letters.dcm",
        "undefined-length-on-LO.dcm",
        "wrong-magic.dcm",
        "zipMR.gz",
      ]
    `);
  });

  it('says nothing of patients in its log, and goes on', async () => {
    expect((await post(system, bodyOf(partOf(hostileObject('last').bytes)))).status).toBe(200);
    expectNothingSaid(system);
  });
});
