import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { diskFolder, type Mount } from '../dimse/disk.js';
import { type ReceiverName, receiverNames } from './receiver.js';

export interface DicomwebOptions {
  /** Names of the parts that run, in their order. */
  readonly parts: readonly string[];
  readonly receivers: readonly ReceiverName[];
  /** Rounds that count, beside the first. */
  readonly rounds: number;
  /** CT objects of 0.5 MB in one store. */
  readonly count: number;
  /** Instances of the series whose metadata is asked for. */
  readonly instances: number;
  /** Bytes of the study that is retrieved. */
  readonly studyBytes: number;
  /** Clients that scroll through frames at once, and frames of each. */
  readonly clients: number;
  readonly frames: number;
  /** Studies of each table that is searched, and clients that search at once. */
  readonly studies: readonly number[];
  readonly searchers: number;
  /** Searches of each kind that count, of all clients together. */
  readonly searches: number;
  readonly places: Places;
  /** Prints what is known by now. */
  readonly print: (text: string) => void;
}

/** Where things lie, all on one file system. */
export interface Places {
  readonly mount: Mount;
  readonly root: string;
  /** What is sent; kept for the next time. */
  readonly objects: string;
  /** What receivers keep, a folder for each; taken away when they stop. */
  readonly runs: string;
  /** PostgreSQL's cluster; kept. */
  readonly database: string;
}

/** What the command line says, and where nothing is made yet. */
type Said = Omit<DicomwebOptions, 'places' | 'print'> & { readonly dir: string };

/**
 * @param partNames those there are; all of them run when none is named
 * @throws {RangeError} for what cannot be
 */
export function readArguments(dataDir: string, args: readonly string[], partNames: readonly string[]): Said {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      dir: { type: 'string', default: join(dataDir, 'dicomweb') },
      receivers: { type: 'string', default: receiverNames.join(',') },
      rounds: { type: 'string', default: '5' },
      count: { type: 'string', default: '200' },
      instances: { type: 'string', default: '400' },
      'study-mb': { type: 'string', default: '210' },
      clients: { type: 'string', default: '50' },
      frames: { type: 'string', default: '40' },
      studies: { type: 'string', default: '1000,100000,1000000' },
      searchers: { type: 'string', default: '10' },
      searches: { type: 'string', default: '2000' },
    },
  });
  const parts = positionals.map((name) => oneOf('part', name, partNames));
  return {
    dir: values.dir,
    parts: parts.length > 0 ? parts : partNames,
    receivers: values.receivers.split(',').map((name) => oneOf('receiver', name, receiverNames)),
    rounds: whole('--rounds', values.rounds, 1, 100),
    count: whole('--count', values.count, 1, 100_000),
    instances: whole('--instances', values.instances, 1, 10_000),
    studyBytes: whole('--study-mb', values['study-mb'], 1, 4_000) * 1_000_000,
    clients: whole('--clients', values.clients, 1, 1_000),
    frames: whole('--frames', values.frames, 1, 10_000),
    studies: values.studies.split(',').map((text) => whole('--studies', text, 1, 10_000_000)),
    searchers: whole('--searchers', values.searchers, 1, 1_000),
    searches: whole('--searches', values.searches, 1, 1_000_000),
  };
}

/** @throws {RangeError} for what cannot be, and what `diskFolder` throws */
export function readOptions(
  dataDir: string,
  args: readonly string[],
  partNames: readonly string[],
  print: (text: string) => void,
): DicomwebOptions {
  const { dir, ...said } = readArguments(dataDir, args, partNames);
  const { path: root, mount } = diskFolder(dir);
  const places = {
    mount,
    root,
    objects: join(root, 'objects'),
    runs: join(root, 'runs'),
    database: join(root, 'database'),
  };
  return { ...said, places, print };
}

function oneOf<T extends string>(what: string, name: string, names: readonly T[]): T {
  const found = names.find((one) => one === name);
  if (found === undefined) throw new RangeError(`"${name}" is no ${what}: ${names.join(', ')}`);
  return found;
}

function whole(what: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`${what} is a whole number from ${min} to ${max}`);
  return value;
}
