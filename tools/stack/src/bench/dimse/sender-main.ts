import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { storeFiles } from '@callosum/dimse';
import { errorMessage } from '@callosum/kernel';

import { benchAet } from './receiver.js';

/** What a process of the sender is told once, as its argument. */
export interface SenderTask {
  /** One association each, all at once. */
  readonly folders: readonly string[];
  /** Whether files are read before, so that the disk of the receiver has nothing else to do; large ones are not. */
  readonly inMemory: boolean;
}

export interface SendOrder {
  readonly port: number;
  readonly calledAet: string;
}

/** What it answers: that it is ready, or what became of one order. */
export type SenderWord =
  | { readonly ready: true }
  | { readonly stored: number; readonly refused: readonly string[]; readonly failure?: string };

/** Long enough for a receiver that flushes gigabytes before it answers. */
const timeouts = { associateMs: 60_000, responseMs: 600_000 };

const task = JSON.parse(process.argv[2] ?? '') as SenderTask;
const associations = task.folders.map((folder) =>
  readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .map((path) => (task.inMemory ? readFileSync(path) : path)),
);
const tell = (word: SenderWord): void => void process.send?.(word);

async function send({ port, calledAet }: SendOrder): Promise<void> {
  const target = { host: '127.0.0.1', port, calledAet, callingAet: benchAet, timeouts };
  const ended = await Promise.allSettled(associations.map((files) => storeFiles({ ...target, files })));
  const outcomes = ended.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
  const failed = ended.find((one) => one.status === 'rejected');
  const refused = outcomes.filter(({ stored }) => !stored);
  tell({
    stored: outcomes.length - refused.length,
    refused: refused.map(({ status, error }) => status?.toString(16) ?? error?.code ?? 'not sent'),
    ...(failed ? { failure: errorMessage(failed.reason) } : {}),
  });
}

process.on('message', (order) => void send(order as SendOrder));
process.on('disconnect', () => process.exit());
tell({ ready: true });
