import { join } from 'node:path';
import { parseArgs } from 'node:util';

import {
  type Comparison,
  comparisonOptions,
  type Places,
  placesIn,
  readComparison,
  whole,
  wholes,
} from '../command-line.js';
import { type ReceiverName, receiverNames } from './receiver.js';

export interface DicomwebOptions extends Comparison<string, ReceiverName> {
  /** CT objects of 0.5 MB in one store. */
  readonly count: number;
  /** Requests of each receiver before one is timed, for at most ten seconds. */
  readonly warm: number;
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
      ...comparisonOptions(join(dataDir, 'dicomweb'), receiverNames),
      count: { type: 'string', default: '200' },
      warm: { type: 'string', default: '30' },
      instances: { type: 'string', default: '400' },
      'study-mb': { type: 'string', default: '210' },
      clients: { type: 'string', default: '50' },
      frames: { type: 'string', default: '40' },
      studies: { type: 'string', default: '1000,100000,1000000' },
      searchers: { type: 'string', default: '10' },
      searches: { type: 'string', default: '2000' },
    },
  });
  return {
    dir: values.dir,
    ...readComparison({ values, positionals }, partNames, receiverNames),
    count: whole('--count', values.count, 1, 100_000),
    warm: whole('--warm', values.warm, 0, 10_000),
    instances: whole('--instances', values.instances, 1, 10_000),
    studyBytes: whole('--study-mb', values['study-mb'], 1, 4_000) * 1_000_000,
    clients: whole('--clients', values.clients, 1, 1_000),
    frames: whole('--frames', values.frames, 1, 10_000),
    studies: wholes('--studies', values.studies, 1, 10_000_000),
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
  return { ...said, places: placesIn(dir), print };
}
