import { beforeAll, describe, expect, it } from 'vitest';

import { type ChaosReport, faultsOf, runChaos } from '@callosum/stack';
import { freePort } from '@callosum/testing';

import { newFolder } from './harness/paths.js';

const seed = Number(process.env['CALLOSUM_SEED'] ?? 20261126);
const kills = Number(process.env['CALLOSUM_KILLS'] ?? 10);
const outages = Number(process.env['CALLOSUM_OUTAGES'] ?? 1);
/** One broker here: three take a gigabyte more. `npm run test:long -- chaos` has three, and moves leaders. */
const brokers = process.env['CALLOSUM_BROKERS'] === '3' ? 3 : 1;
/** Short ones here; `npm run test:long -- chaos` takes the servers away for 30 to 60 s. */
const outageMs = process.env['CALLOSUM_OUTAGE_MS']?.split('-').map(Number) ?? [5_000, 10_000];

/**
 * Services, workers, Kafka, PostgreSQL and S3 as processes of their own, studies coming in all the time. What a sender
 * was told is kept, whatever dies meanwhile.
 */
describe(`faults under load: ${kills} kills, each server away ${outages} times (CALLOSUM_SEED=${seed})`, () => {
  let report: ChaosReport;

  beforeAll(async () => {
    process.env['CALLOSUM_DIMSE_PORT'] = String(await freePort());
    process.env['CALLOSUM_GRPC_PORT'] = String(await freePort());
    report = await runChaos({
      seed,
      faults: faultsOf(kills, outages, [outageMs[0] ?? 0, outageMs[1] ?? 0]),
      brokers,
      studiesPerSecond: 1,
      patienceMs: 600_000,
      dataDir: newFolder('chaos'),
      say: (line) => process.stdout.write(`${line}\n`),
    });
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }, 7_200_000);

  it('loses nothing, does nothing twice, and parks only what nobody can handle', () => {
    expect(report.findings).toEqual([]);
  });

  it('met work: studies came in, processes died, events nobody can handle were set aside', () => {
    const { figures } = report;
    expect(figures.studies).toBeGreaterThan(kills);
    expect(figures.processes.kills).toBeGreaterThanOrEqual(kills);
    expect(figures.faults['outage']).toBe(outages * 3);
    expect(figures.poisonEvents).toBeGreaterThan(0);
    expect(figures.duplicatedFacts).toBeGreaterThan(0);
  });

  it('moved leaders where brokers replicate, and each that came back led again', () => {
    if (brokers === 1) return expect(report.figures.leaders).toBeUndefined();
    expect(report.figures.faults['leader-move']).toBeGreaterThan(0);
    expect(report.figures.leaders?.moved).toBeGreaterThan(0);
    expect(report.figures.leaders?.returned).toBeGreaterThan(0);
  });

  it('tried every kind of fault this machine allows', () => {
    // Mounting the small disk needs root, which CI is.
    expect(report.leftOut).toEqual(process.env['CI'] ? [] : report.leftOut);
  });
});
