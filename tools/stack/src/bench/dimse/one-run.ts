import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { BenchOptions } from './bench-options.js';
import { type ProfileWindow, topOfProfile } from './cpu-profile.js';
import { flush } from './disk.js';
import type { ObjectSet } from './objects.js';
import { TreeMeter, type TreeUse } from './process-tree.js';
import type { Receiver, ReceiverName } from './receiver.js';
import { startNode } from './receivers/node.js';
import { startOrthanc } from './receivers/orthanc.js';
import { startSink } from './receivers/sink.js';
import { startStorescp } from './receivers/storescp.js';
import type { Sender } from './sender.js';

/** One receiver, fresh, given all objects once. */
export interface RunFigures {
  readonly seconds: number;
  readonly perSecond: number;
  /** Of each of the receiver's processes with what it started. */
  readonly use: Readonly<Record<string, TreeUse>>;
  /** Of all processes of the sender; 0 of storescu, which are gone. */
  readonly senderSeconds: number;
  /** What was acknowledged and not on the disk yet took so long to get there. */
  readonly flushSeconds: number;
  /** Path of a CPU profile, and what stands out in it. */
  readonly profile?: { readonly path: string; readonly top: readonly string[] };
}

export interface RunParts {
  readonly options: BenchOptions;
  readonly objects: ObjectSet;
  readonly sender: Sender;
  readonly warmUp: WarmUp;
}

/** Other objects that a receiver gets first, so that code is compiled and pools are open; they do not count. */
export interface WarmUp {
  readonly count: number;
  readonly bytesEach: number;
  send(receiver: Receiver): Promise<unknown>;
  /** Until what they left to do is done. */
  readonly restMs: number;
}

/** @throws when not everything that was sent is there afterwards */
export async function oneRun(name: ReceiverName, parts: RunParts): Promise<RunFigures> {
  const { options, objects, sender, warmUp } = parts;
  const { root } = options.places;
  const receiver = await startReceiver(name, options);
  let figures: Omit<RunFigures, 'profile'>;
  let window: ProfileWindow;
  try {
    await warmUp.send(receiver);
    await sleep(warmUp.restMs);
    // Nobody pays for what another left in memory.
    await flush(root);
    const meter = new TreeMeter(receiver.processes);
    const senderMeter = new TreeMeter(sender.processes, false);
    const fromUs = monotonicUs();
    const seconds = await sender.send({ port: receiver.port, calledAet: receiver.aet });
    window = { fromUs, toUs: monotonicUs() };
    const [use, senderUse] = [meter.stop(), senderMeter.stop()];
    const flushSeconds = await flush(root);
    const sent = objects.count + warmUp.count;
    const stored = await receiver.stored(Math.min(objects.bytesEach, warmUp.bytesEach));
    if (stored !== sent) throw new Error(`${name} acknowledged ${sent} objects and has ${stored}`);
    const senderSeconds = Object.values(senderUse).reduce((sum, { processorSeconds }) => sum + processorSeconds, 0);
    figures = { seconds, perSecond: objects.count / seconds, use, senderSeconds, flushSeconds };
  } finally {
    await receiver.stop();
  }
  const path = await receiver.profile?.();
  return path === undefined ? figures : { ...figures, profile: { path, top: topOfProfile(path, window) } };
}

interface MaybeProfiled extends Receiver {
  profile?(): Promise<string | undefined>;
}

/** Fresh: nothing is kept from a run before but PostgreSQL's empty cluster. */
function startReceiver(name: ReceiverName, { places, profile }: BenchOptions): Promise<MaybeProfiled> {
  const dir = join(places.runs, name);
  switch (name) {
    case 'node':
      return startNode({
        dir,
        databaseDir: places.database,
        ...(profile ? { profileDir: places.profiles } : {}),
      });
    case 'storescp':
      return startStorescp(dir);
    case 'orthanc':
      return startOrthanc(dir);
    case 'sink':
      return startSink();
  }
}

/** The clock V8's profiles have. */
const monotonicUs = (): number => Number(process.hrtime.bigint() / 1000n);
