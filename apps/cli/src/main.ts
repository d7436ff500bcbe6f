import { parseArgs } from 'node:util';

import { errorMessage } from '@callosum/kernel';

import { addressOf } from './address.js';
import { UsageError } from './errors.js';
import { reindex } from './reindex.js';
import { workers } from './workers.js';

/** A day: ten million instances at the hundred or so a second that headers are read from a spinning disk. */
const timeoutSecondsDefault = 86_400;

const help = `callosum <command>

  reindex             rebuild the archive's ledger and the study index from the blobs, beside the running system:
                      after a damaged index, or a database restored from a backup older than the blobs
    --address ADDRESS   where study-index answers: host:port or unix:PATH
                        (default: CALLOSUM_STUDY_INDEX_GRPC, else the system running on CALLOSUM_DATA_DIR)
    --settled SECONDS   blobs younger than this may be about to be acknowledged, and are left alone (default 120)
    --timeout SECONDS   give up after this time (default ${timeoutSecondsDefault})

  workers issue       make a credential for a vendor's workers and show its token, once
    --vendor NAME       the vendor in the manifests it may register
    --label TEXT        what it is for
    --expires DAYS      how long it is in force (default: until it is revoked)
  workers list        credentials: vendor, label, when issued, used, revoked; never a token
  workers revoke ID   end a credential; its workers are cut off within seconds
    --address ADDRESS   where inference-orchestrator answers (default: CALLOSUM_INFERENCE_GRPC, else as above)

  --help              this text

Where services ask each other who they are, the CALLOSUM_AUTH_* settings say who this is; CALLOSUM_TOKEN may hold the
access token of a person with the role operator instead.

Ends with 0 when all is done, 1 when it failed or some instances could not be read, 2 when it was asked wrongly.
`;

/** Runs one command line and gives the exit code. */
export async function run(args: readonly string[]): Promise<number> {
  try {
    return await dispatch(args);
  } catch (error) {
    process.stderr.write(`callosum: ${errorMessage(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function dispatch(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help || positionals.length === 0) {
    process.stdout.write(help);
    return values.help ? 0 : 2;
  }
  if (positionals[0] === 'workers') {
    const address = addressOf('inference-orchestrator', values.address, process.env);
    return workers(positionals.slice(1), values, { address, env: process.env, say });
  }
  if (positionals.length !== 1 || positionals[0] !== 'reindex')
    throw new UsageError(`unknown command "${positionals.join(' ')}"`);
  const seconds = Number(values.timeout ?? timeoutSecondsDefault);
  if (!(seconds > 0 && seconds <= 1_000_000)) throw new UsageError('--timeout is a number of seconds, 1000000 at most');
  const failed = await reindex({
    address: addressOf('study-index', values.address, process.env),
    timeoutMs: Math.ceil(seconds * 1000),
    settledSeconds: wholeSeconds(values.settled),
    env: process.env,
    say,
  });
  return failed === 0 ? 0 : 1;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function wholeSeconds(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^\d{1,9}$/.test(given)) throw new UsageError('--settled is a whole number of seconds');
  return Number(given);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        address: { type: 'string' },
        settled: { type: 'string' },
        timeout: { type: 'string' },
        vendor: { type: 'string' },
        label: { type: 'string' },
        expires: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(errorMessage(error).replace(/\.$/, ''));
  }
}
