import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { datasetOf, encodeDataset, parseDataset } from '@callosum/dicom';
import { ScuAssociation } from '@callosum/dimse';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { FindMatches } from './application/find-matches.js';
import { explicitLe, matches, MemoryIndex } from './test-support/query.js';
import { type ServedServices, serveServices } from './test-support/serve-services.js';
import { QueryService } from './transport/dimse/query.service.js';

/** A hundred thousand in the long suite of searches. */
const studies = Number(process.env['CALLOSUM_SEARCH_STUDIES'] ?? 6_000);
/** Of each match: all of them are 48 MB and more. */
const comments = 'x'.repeat(8_192);
/** What is on its way at once, of node and peer, which are one process here. */
const growthBytesMax = 8 * 1024 * 1024;
const studyRoot = '1.2.840.10008.5.1.4.1.2.2.1';

/** What is in use when nothing is left that could be thrown away: V8 counts some of it late. */
async function liveBytes(): Promise<number> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 4; round++) {
    // Long enough for all buffers on the way to be full.
    await sleep(30);
    gc();
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

const index = new MemoryIndex();
let node: ServedServices;
let association: ScuAssociation;
beforeEach(async () => {
  node = await serveServices(new QueryService(new FindMatches(index, 'CALLOSUM')));
  association = await ScuAssociation.open(
    { host: '127.0.0.1', port: node.port, calledAet: 'CALLOSUM', callingAet: 'SLOW' },
    [{ abstractSyntaxUid: studyRoot, transferSyntaxUids: [explicitLe] }],
  );
});
afterEach(async () => {
  association.abort();
  await node.server.close(0);
});

/** Reads so many matches to the end; `each` is waited for between them. */
async function read(count: number, each: (found: number) => Promise<void> | void): Promise<void> {
  let made = 0;
  index.answer = async function* () {
    for (; made < count; made++)
      yield* matches(datasetOf({ StudyInstanceUID: `1.2.${made}`, ImageComments: comments }));
  };
  const asked = datasetOf({ QueryRetrieveLevel: 'STUDY', StudyInstanceUID: '' });
  const identifier = Buffer.from(encodeDataset(asked, { transferSyntaxUid: explicitLe }).bytes);
  const answers = association.find(association.contextFor(studyRoot), identifier);
  for (let found = 0; ; found++) {
    const { done, value } = await answers.next();
    if (done) {
      expect([value.status, found]).toEqual([0, count]);
      return;
    }
    const uid = parseDataset(value.identifier, explicitLe).dataset.string('StudyInstanceUID');
    if (uid !== `1.2.${found}`) expect(uid).toBe(`1.2.${found}`);
    await each(found);
  }
}

it(`${studies} matches of a C-FIND stream in bounded memory to a peer that reads slowly`, async () => {
  // What a process takes once is no growth.
  await read(1_000, () => undefined);
  const before = await liveBytes();
  const every = Math.max(500, Math.floor(studies / 50));
  let peak = 0;
  await read(studies, async (found) => {
    if (found % every !== every - 1) return;
    peak = Math.max(peak, (await liveBytes()) - before);
  });
  expect(node.errors).toEqual([]);
  expect(peak).toBeLessThan(growthBytesMax);
});
