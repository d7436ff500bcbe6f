import { beforeAll, describe, expect, it } from 'vitest';

import { runUpgrade, type UpgradeReport } from '@callosum/stack';
import { freePort } from '@callosum/testing';

import { newFolder } from './harness/paths.js';

const seed = Number(process.env['CALLOSUM_SEED'] ?? 20261126);

/**
 * Two replicas of every service behind balancers, first of an older version, studies coming in all the time. `npm run
 * test:long -- upgrade`: not part of `npm test`, because it builds that version and takes minutes.
 */
describe(`a rolling upgrade and a rollback under load (CALLOSUM_SEED=${seed})`, () => {
  let report: UpgradeReport;

  beforeAll(async () => {
    process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
    process.env['CALLOSUM_GRPC_PORT'] = String(await freePort());
    report = await runUpgrade({
      seed,
      studiesPerSecond: Number(process.env['CALLOSUM_RATE'] ?? 0.5),
      patienceMs: 600_000,
      dataDir: newFolder('upgrade'),
      say: (line) => process.stdout.write(`${line}\n`),
    });
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }, 7_200_000);

  it('loses nothing, does nothing twice, parks nothing, and every process ends when it is asked and in time', () => {
    expect(report.findings).toEqual([]);
  });

  it('met work: every replica went both ways while studies came in', () => {
    const { figures } = report;
    expect(figures.replicasExchanged).toBe(7 * 2 * 2);
    expect(figures.studies).toBeGreaterThan(20);
    expect(figures.slowAssociations.whole).toBeGreaterThan(5);
  });
});
