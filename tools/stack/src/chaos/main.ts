import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { freePort } from '@callosum/testing';
import type { FaultCounts } from './fault-plan.js';
import { runChaos } from './run-chaos.js';

const usage = `usage: npm run stack -- --kill-test [--kills N] [--seed N] [--outages N] [--rate STUDIES_PER_SECOND] [--brokers 1|3] [--no-auth]

  Runs every service as its own process on real Kafka, PostgreSQL and S3, under load, and makes things fail. Everybody
  proves who they are (tokens, a worker's credential, a password for Kafka) unless --no-auth is given. Exit code
  0 when every acknowledged object and every study has come to its end; the last line is the report in JSON.`;

const seedDefault = 20261126;
const killsDefault = 20;
const patienceMs = 600_000;
const longOutageMs = [30_000, 60_000] as const;

/** The faults of a whole run with this many kills. */
export function faultsOf(
  kills: number,
  outages: number,
  outageMs: readonly [number, number] = longOutageMs,
): FaultCounts {
  const share = (every: number): number => Math.max(1, Math.round(kills / every));
  return {
    kills,
    outages,
    outageMs,
    leaderMoves: Math.max(2, share(25)),
    freezes: share(25),
    clockSkews: Math.max(2, share(25)),
    duplicates: share(10),
    poison: share(25),
    fullDisks: share(50),
  };
}

/** `npm run stack -- --kill-test`. Resolves with the exit code. */
export async function killTest(argv: readonly string[]): Promise<number> {
  let values;
  try {
    ({ values } = parseArgs({
      args: argv.filter((argument) => argument !== '--kill-test'),
      allowNegative: true,
      options: {
        auth: { type: 'boolean', default: true },
        kills: { type: 'string', default: String(killsDefault) },
        seed: { type: 'string', default: process.env['CALLOSUM_SEED'] ?? String(seedDefault) },
        outages: { type: 'string', default: '1' },
        rate: { type: 'string', default: '1' },
        brokers: { type: 'string', default: '3' },
      },
    }));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${usage}\n`);
    return 2;
  }
  process.env['CALLOSUM_DIMSE_PORT'] ||= String(await freePort());
  process.env['CALLOSUM_GRPC_PORT'] ||= String(await freePort());
  const report = await runChaos({
    seed: Number(values.seed),
    faults: faultsOf(Number(values.kills), Number(values.outages)),
    brokers: values.brokers === '1' ? 1 : 3,
    auth: values.auth,
    studiesPerSecond: Number(values.rate),
    patienceMs,
    dataDir: resolve(process.env['CALLOSUM_DATA_DIR'] || '.callosum', 'chaos'),
    say: (line) => process.stderr.write(`${line}\n`),
  });
  for (const { kind, because } of report.leftOut) process.stderr.write(`left out: ${kind}, ${because}\n`);
  for (const line of report.findings) process.stderr.write(`NOT AS PROMISED: ${line}\n`);
  process.stdout.write(`${JSON.stringify(report)}\n`);
  return report.findings.length === 0 ? 0 : 1;
}
