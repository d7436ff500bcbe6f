import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { diskFolder, type Mount } from './disk.js';
import { type ReceiverName, receiverNames } from './receiver.js';
import { type SenderName, senderNames } from './sender.js';

export const partNames = ['store', 'large', 'find', 'move'] as const;
export type PartName = (typeof partNames)[number];

export interface BenchOptions {
  readonly parts: readonly PartName[];
  readonly receivers: readonly ReceiverName[];
  readonly sender: SenderName;
  /** Rounds that count, beside the first. */
  readonly rounds: number;
  /** CT objects of one run. */
  readonly count: number;
  readonly associations: readonly number[];
  /** CT objects that each receiver gets before, and that do not count. */
  readonly warm: number;
  /** Bytes of each object of `large`, and how many come at once. */
  readonly largeBytes: number;
  readonly largeCount: number;
  readonly studies: number;
  readonly profile: boolean;
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
  /** What receivers keep, a folder for each; taken away after every run. */
  readonly runs: string;
  /** PostgreSQL's cluster; kept. */
  readonly database: string;
  readonly profiles: string;
}

/** Orthanc holds whole objects in memory, several times: with large ones it would take the machine's. */
const largeReceivers: readonly ReceiverName[] = ['node', 'storescp'];

/** @throws {RangeError} for what cannot be */
export function readOptions(dataDir: string, args: readonly string[], print: (text: string) => void): BenchOptions {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      dir: { type: 'string', default: join(dataDir, 'dimse') },
      receivers: { type: 'string', default: receiverNames.join(',') },
      sender: { type: 'string', default: 'scu' },
      rounds: { type: 'string', default: '5' },
      count: { type: 'string', default: '400' },
      associations: { type: 'string', default: '1,4,8' },
      warm: { type: 'string', default: '200' },
      'large-mb': { type: 'string', default: '2000' },
      'large-count': { type: 'string', default: '4' },
      studies: { type: 'string', default: '100000' },
      profile: { type: 'boolean', default: false },
    },
  });
  const { path: root, mount } = diskFolder(values.dir);
  const parts = positionals.map((name) => oneOf('part', name, partNames));
  return {
    parts: parts.length > 0 ? parts : partNames,
    receivers: values.receivers.split(',').map((name) => oneOf('receiver', name, receiverNames)),
    sender: oneOf('sender', values.sender, senderNames),
    rounds: whole('--rounds', values.rounds, 1, 100),
    count: whole('--count', values.count, 1, 100_000),
    associations: values.associations.split(',').map((text) => whole('--associations', text, 1, 64)),
    warm: whole('--warm', values.warm, 0, 100_000),
    largeBytes: whole('--large-mb', values['large-mb'], 1, 4_000) * 1_000_000,
    largeCount: whole('--large-count', values['large-count'], 1, 32),
    studies: whole('--studies', values.studies, 1_000, 1_000_000),
    profile: values.profile,
    places: {
      mount,
      root,
      objects: join(root, 'objects'),
      runs: join(root, 'runs'),
      database: join(root, 'database'),
      profiles: join(root, 'profiles'),
    },
    print,
  };
}

/** The receivers of the part `large`: those that were asked for by name, or the two that do not hold objects in memory. */
export const receiversOfLarge = ({ receivers }: BenchOptions): readonly ReceiverName[] =>
  receivers.length === receiverNames.length ? largeReceivers : receivers.filter((name) => name !== 'sink');

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
