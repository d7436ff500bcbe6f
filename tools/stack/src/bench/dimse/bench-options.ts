import { join } from 'node:path';
import { parseArgs } from 'node:util';

import {
  type Comparison,
  comparisonOptions,
  oneOf,
  type Places as CommonPlaces,
  placesIn,
  readComparison,
  whole,
  wholes,
} from '../command-line.js';
import { type ReceiverName, receiverNames } from './receiver.js';
import { type SenderName, senderNames } from './sender.js';

export const partNames = ['store', 'large', 'find', 'move'] as const;
export type PartName = (typeof partNames)[number];

export interface BenchOptions extends Comparison<PartName, ReceiverName> {
  readonly sender: SenderName;
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

export interface Places extends CommonPlaces {
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
      ...comparisonOptions(join(dataDir, 'dimse'), receiverNames),
      sender: { type: 'string', default: 'scu' },
      count: { type: 'string', default: '400' },
      associations: { type: 'string', default: '1,4,8' },
      warm: { type: 'string', default: '200' },
      'large-mb': { type: 'string', default: '2000' },
      'large-count': { type: 'string', default: '4' },
      studies: { type: 'string', default: '100000' },
      profile: { type: 'boolean', default: false },
    },
  });
  const places = placesIn(values.dir);
  return {
    ...readComparison({ values, positionals }, partNames, receiverNames),
    sender: oneOf('sender', values.sender, senderNames),
    count: whole('--count', values.count, 1, 100_000),
    associations: wholes('--associations', values.associations, 1, 64),
    warm: whole('--warm', values.warm, 0, 100_000),
    largeBytes: whole('--large-mb', values['large-mb'], 1, 4_000) * 1_000_000,
    largeCount: whole('--large-count', values['large-count'], 1, 32),
    studies: whole('--studies', values.studies, 1_000, 1_000_000),
    profile: values.profile,
    places: { ...places, profiles: join(places.root, 'profiles') },
    print,
  };
}

/** The receivers of the part `large`: those that were asked for by name, or the two that do not hold objects in memory. */
export const receiversOfLarge = ({ receivers }: BenchOptions): readonly ReceiverName[] =>
  receivers.length === receiverNames.length ? largeReceivers : receivers.filter((name) => name !== 'sink');
