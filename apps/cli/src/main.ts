import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';

import { parseSettings } from '@callosum/config';
import { operations, type ServiceName, serviceNames } from '@callosum/contracts';
import { errorMessage, isUid } from '@callosum/kernel';

import { addressOf, serviceAddresses } from './address.js';
import { ask as askService } from './connect.js';
import { type ServiceAddress, UsageError } from './errors.js';
import { ParkedCommands, type ParkedTarget } from './parked.js';
import { reindex } from './reindex.js';
import { cliSettings } from './settings.js';
import { trace } from './trace.js';
import { workers } from './workers.js';

/** A day: ten million instances at the hundred or so a second that headers are read from a spinning disk. */
const timeoutSecondsDefault = 86_400;

const help = `callosum <command>

  reindex             rebuild the archive's ledger and the study index from the blobs, beside the running system:
                      after a damaged index, or a database restored from a backup older than the blobs
    --address ADDRESS   where study-index answers
                        (default: CALLOSUM_STUDY_INDEX_GRPC, else as said below)
    --settled SECONDS   blobs younger than this may be about to be acknowledged, and are left alone (default 120)
    --timeout SECONDS   give up after this time (default ${timeoutSecondsDefault})

  parked list         what was set aside for a person: one line a key, the longest parked first
  parked show         every item of a key
  parked replay       handle a key's items again, in order and with their ids, for this service only
  parked drop         give items up for good; who and why are kept beside them
    --group SERVICE     the service that set it aside (list, replay --all: every service when not given)
    --topic TOPIC       topic of the events, or "publication"
    --key KEY           key of the events, or the StudyInstanceUID of publications
    --all               replay: every key
    --id ID             drop: only this event
    --reason TEXT       drop: why; no patient data
    --by NAME           drop: who (default: the user of this shell)
    --address SERVICE=ADDRESS   where a service answers, once for each service; with --group ADDRESS alone will do

  trace UID           where a study is, what it waits for and since when, by its StudyInstanceUID
    --json              for scripts: what each service answered, and what the study waits for
    --address SERVICE=ADDRESS   as above

  workers issue       make a credential for a vendor's workers and show its token, once
    --vendor NAME       the vendor in the manifests it may register
    --label TEXT        what it is for
    --expires DAYS      how long it is in force (default: until it is revoked)
  workers list        credentials: vendor, label, when issued, used, revoked; never a token
  workers revoke ID   end a credential; its workers are cut off within seconds
    --address ADDRESS   where inference-orchestrator answers (default: CALLOSUM_INFERENCE_GRPC, else as
                        said below)

  --help              this text

An address is host:port or unix:PATH, and may always be given as SERVICE=ADDRESS. Without --address CALLOSUM_SERVICES_GRPC
says where services answer (SERVICE=ADDRESS, comma-separated), else the system running on CALLOSUM_DATA_DIR.

Where services ask each other who they are, the CALLOSUM_AUTH_* settings say who this is; CALLOSUM_TOKEN may hold the
access token of a person with the role operator instead.

Ends with 0 when all is done, 1 when it failed or something is left, 2 when it was asked wrongly.
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

type Values = ReturnType<typeof parse>['values'];

async function dispatch(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help || positionals.length === 0) {
    process.stdout.write(help);
    return values.help ? 0 : 2;
  }
  if (positionals[0] === 'workers') {
    const address = addressOf('inference-orchestrator', values.address, settings());
    return workers(positionals.slice(1), values, { address, env: process.env, say });
  }
  if (positionals[0] === 'trace') return runTrace(positionals.slice(1), values);
  const command = positionals.join(' ');
  switch (command) {
    case 'reindex':
      return runReindex(values);
    case 'parked list':
    case 'parked show':
    case 'parked replay':
    case 'parked drop':
      return runParked(command, values);
    default:
      throw new UsageError(`unknown command "${command}"`);
  }
}

async function runReindex(values: Values): Promise<number> {
  const seconds = Number(values.timeout ?? timeoutSecondsDefault);
  if (!(seconds > 0 && seconds <= 1_000_000)) throw new UsageError('--timeout is a number of seconds, 1000000 at most');
  const failed = await reindex({
    address: addressOf('study-index', values.address, settings()),
    timeoutMs: Math.ceil(seconds * 1000),
    settledSeconds: wholeSeconds(values.settled),
    env: process.env,
    say,
  });
  return failed === 0 ? 0 : 1;
}

const settings = () => parseSettings(cliSettings, process.env);

function serviceNamed(text: string): ServiceName {
  const known = serviceNames.find((name) => name === text);
  if (!known) throw new UsageError(`"${text}" is no service: ${serviceNames.join(', ')}`);
  return known;
}

async function runTrace([studyInstanceUid, ...rest]: readonly string[], values: Values): Promise<number> {
  if (studyInstanceUid === undefined || rest.length > 0 || !isUid(studyInstanceUid))
    throw new UsageError('say "trace UID" with the StudyInstanceUID of one study');
  const services = serviceAddresses(values.address, settings());
  const json = values.json ?? false;
  return (await trace({ studyInstanceUid, services, json, env: process.env, say })) ? 0 : 1;
}

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function wholeSeconds(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  if (!/^\d{1,9}$/.test(given)) throw new UsageError('--settled is a whole number of seconds');
  return Number(given);
}

async function runParked(command: string, values: Values): Promise<number> {
  const group = values.group === undefined ? undefined : serviceNamed(values.group);
  const asked = group
    ? [{ service: group, address: addressOf(group, values.address, settings()) }]
    : serviceAddresses(values.address, settings());
  if (command === 'parked list') {
    let keys = 0;
    for (const target of asked) keys += await ask(target, (parked) => parked.list(values.topic));
    if (keys === 0) say('nothing is parked');
    return 0;
  }
  if (command === 'parked replay' && values.all) {
    let done = true;
    for (const target of asked) done = (await ask(target, (parked) => parked.replayAll(values.topic))) && done;
    return done ? 0 : 1;
  }
  const target: ParkedTarget = { topic: required(values, 'topic'), key: required(values, 'key') };
  required(values, 'group');
  const [service] = asked as [ServiceAddress];
  if (command === 'parked show') await ask(service, (parked) => parked.show(target));
  else if (command === 'parked drop') {
    const order = { reason: required(values, 'reason'), droppedBy: values.by ?? userInfo().username };
    await ask(service, (parked) => parked.drop({ ...target, ...order, ...(values.id ? { id: values.id } : {}) }));
  } else return (await ask(service, (parked) => parked.replay(target))) ? 0 : 1;
  return 0;
}

function ask<T>(target: ServiceAddress, question: (parked: ParkedCommands) => Promise<T>): Promise<T> {
  const { service, address } = target;
  return askService(service, address, operations.ParkedServiceDefinition, process.env, (client) =>
    question(new ParkedCommands(target, client, say)),
  );
}

function required(values: Values, name: 'group' | 'topic' | 'key' | 'reason'): string {
  const value = values[name];
  if (!value) throw new UsageError(`--${name} is required`);
  return value;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h' },
        address: { type: 'string', multiple: true },
        settled: { type: 'string' },
        timeout: { type: 'string' },
        group: { type: 'string' },
        topic: { type: 'string' },
        key: { type: 'string' },
        all: { type: 'boolean' },
        json: { type: 'boolean' },
        id: { type: 'string' },
        reason: { type: 'string' },
        by: { type: 'string' },
        vendor: { type: 'string' },
        label: { type: 'string' },
        expires: { type: 'string' },
      },
    });
  } catch (error) {
    throw new UsageError(errorMessage(error).replace(/\.$/, ''));
  }
}
