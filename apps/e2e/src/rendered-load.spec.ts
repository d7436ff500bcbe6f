import { readFileSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Callosum } from './harness/callosum.js';
import { stow } from './harness/dicomweb.js';
import { peakMemory } from './harness/memory.js';
import { testData } from './harness/paths.js';
import { radiographOf } from './harness/radiograph.js';
import { smallPhantom, storescu, writeStudy } from './harness/studies.js';

/** Requests at once; of `npm run test:long -- pictures` as many as the service takes by default. */
const renders = Number(process.env['CALLOSUM_RENDERS'] ?? 24);
/** What pictures may take, and beside it what heaps and codecs grow by: some 12 bytes a sample in WebAssembly. */
const budgetMiB = 384;
const besideMiB = 400;

describe.skipIf(process.platform !== 'linux')('many pictures at once', () => {
  let system: Callosum;
  /** Of 9 million pixels. */
  const { bytes: radiograph, resource: dx } = radiographOf(3_000, 8200);
  const paths = [`${dx}/rendered?viewport=512,512`, `${dx}/rendered`, `${dx}/thumbnail`];

  beforeAll(async () => {
    system = await Callosum.start('rendered-load', {
      worker: false,
      env: { CALLOSUM_WADO_REQUESTS_MAX: String(2 * renders) },
    });
    expect((await stow(system.httpUrl, [radiograph])).status).toBe(200);
    const ct = testData('codecs', 'ct-j2k-lossless.dcm');
    if (ct === undefined) return;
    const { dataset, status } = await stow(system.httpUrl, [readFileSync(ct)]);
    expect(status).toBe(200);
    const [stored] = (dataset['00081199']?.Value ?? []) as Record<string, { Value?: string[] }>[];
    const url = stored?.['00081190']?.Value?.[0] ?? '';
    paths.push(`${url.slice(url.indexOf('studies/'))}/rendered`);
  });
  afterAll(() => system.stop());

  it('take no more memory than is theirs, and modalities go on storing beside them', async () => {
    const ask = async (path: string): Promise<number> => {
      const answer = await fetch(`${system.httpUrl}/dicom-web/${path}`, { headers: { accept: 'image/jpeg' } });
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (answer.status === 200) expect(bytes.subarray(0, 2).toString('hex')).toBe('ffd8');
      return answer.status;
    };
    const frameStatus = async (): Promise<number> => {
      const answer = await fetch(`${system.httpUrl}/dicom-web/${dx}/frames/1`);
      await answer.arrayBuffer();
      return answer.status;
    };
    // Codecs are started, heaps have the size of one.
    for (const path of paths) expect(await ask(path)).toBe(200);
    const before = peakMemory(system);
    const began = performance.now();
    // A page of as many pictures as there may be requests of all kinds: half of them have their turn, the others
    // are told to come again while the first are made.
    let allTurnsTaken = false;
    const statuses: number[] = [];
    const saturated = Promise.withResolvers<void>();
    const all = Promise.all(
      Array.from({ length: 2 * renders }, async (_, i) => {
        for (let round = 0; round < 10 && (round === 0 || !allTurnsTaken); round++) {
          const status = await ask(paths[i % paths.length] ?? '');
          statuses.push(status);
          if (status !== 503) continue;
          allTurnsTaken = true;
          saturated.resolve();
        }
      }),
    );
    const folder = writeStudy({ instances: smallPhantom({ uidSalt: 'beside' }).instances.slice(0, 2) });
    const storeMs: number[] = [];
    // All turns of pictures are taken: what a radiologist scrolls through has its own.
    await Promise.race([saturated.promise, all]);
    const frameStatuses = [await frameStatus(), await frameStatus()];
    let running = true;
    void all.finally(() => (running = false));
    do {
      const start = performance.now();
      const { code, stderr } = await storescu(system, [folder]);
      expect(code, stderr).toBe(0);
      storeMs.push(performance.now() - start);
      frameStatuses.push(await frameStatus());
    } while (running);
    await all;
    const seconds = (performance.now() - began) / 1000;
    const grown = peakMemory(system) - before;
    process.stderr.write(
      `${statuses.length} pictures (${statuses.filter((status) => status === 503).length} told to come again) in ${seconds.toFixed(1)} s, ${grown.toFixed(0)} MiB more at most, ${storeMs.length} storescu of 2 ` +
        `objects beside them, the slowest ${Math.max(...storeMs).toFixed(0)} ms\n`,
    );
    expect(frameStatuses.filter((status) => status !== 200)).toEqual([]);
    expect(statuses).toContain(503);
    // One for which there is no turn is told to come again, as is one that has waited a minute for memory.
    expect(statuses.filter((status) => status !== 200 && status !== 503)).toEqual([]);
    expect(statuses.filter((status) => status === 200).length).toBeGreaterThan(renders / 4);
    expect(grown).toBeLessThan(budgetMiB + besideMiB);
    expect(Math.max(...storeMs)).toBeLessThan(20_000);
    expect(await ask(dx + '/thumbnail')).toBe(200);
  });
});
