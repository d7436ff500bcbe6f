import { join } from 'node:path';

import { diskFolder, type Mount } from './dimse/disk.js';

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

/** @throws what `diskFolder` throws */
export function placesIn(dir: string): Places {
  const { path: root, mount } = diskFolder(dir);
  return {
    mount,
    root,
    objects: join(root, 'objects'),
    runs: join(root, 'runs'),
    database: join(root, 'database'),
  };
}

/** What every comparison is told. */
export interface Comparison<Part extends string, Receiver extends string> {
  /** Names of the parts that run, in their order. */
  readonly parts: readonly Part[];
  readonly receivers: readonly Receiver[];
  /** Rounds that count, beside the first. */
  readonly rounds: number;
}

/** What `parseArgs` has to know for it. */
export const comparisonOptions = (dir: string, receiverNames: readonly string[]) =>
  ({
    dir: { type: 'string', default: dir },
    receivers: { type: 'string', default: receiverNames.join(',') },
    rounds: { type: 'string', default: '5' },
  }) as const;

/**
 * @param partNames those there are; all of them run when none is named
 * @throws {RangeError} for what cannot be
 */
export function readComparison<Part extends string, Receiver extends string>(
  { values, positionals }: { values: { receivers: string; rounds: string }; positionals: readonly string[] },
  partNames: readonly Part[],
  receiverNames: readonly Receiver[],
): Comparison<Part, Receiver> {
  const parts = positionals.map((name) => oneOf('part', name, partNames));
  return {
    parts: parts.length > 0 ? parts : partNames,
    receivers: values.receivers.split(',').map((name) => oneOf('receiver', name, receiverNames)),
    rounds: whole('--rounds', values.rounds, 1, 100),
  };
}

/** @throws {RangeError} for another name */
export function oneOf<T extends string>(what: string, name: string, names: readonly T[]): T {
  const found = names.find((one) => one === name);
  if (found === undefined) throw new RangeError(`"${name}" is no ${what}: ${names.join(', ')}`);
  return found;
}

/** @throws {RangeError} for what is no whole number of that range */
export function whole(what: string, text: string, min: number, max: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new RangeError(`${what} is a whole number from ${min} to ${max}`);
  return value;
}

/** Several of them, with commas between. */
export const wholes = (what: string, text: string, min: number, max: number): number[] =>
  text.split(',').map((one) => whole(what, one, min, max));
