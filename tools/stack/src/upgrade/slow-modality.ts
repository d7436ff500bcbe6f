import { setTimeout as sleep } from 'node:timers/promises';

import { isStored, readPart10, ScuAssociation } from '@callosum/dimse';
import type { TinyInstance } from '@callosum/phantom';

import type { PlannedStudy } from '../chaos/planned-study.js';
import type { Sender } from '../chaos/send.js';

export interface SlowCounts {
  /** Associations released by us, with every object acknowledged. */
  whole: number;
  /** Associations that ended under us, or in which an object was refused. */
  cut: number;
  /** Associations that were not accepted, and asked for again. */
  refused: number;
}

/** Between two objects of one association: it stays open while replicas go, and ends well within their grace. */
const objectEveryMs = 1_200;
const retryMs = 500;
const responseMs = 30_000;

/** A modality that sends while it scans: its associations are open for seconds, and must not be cut by an upgrade. */
export class SlowModality {
  readonly sent: PlannedStudy[] = [];
  readonly counts: SlowCounts = { whole: 0, cut: 0, refused: 0 };
  #stopped = false;
  #working: Promise<void> | undefined;

  constructor(
    private readonly dimsePort: number,
    private readonly sender: Sender,
    private readonly next: () => readonly PlannedStudy[],
    private readonly giveUp: AbortSignal,
  ) {}

  start(): void {
    this.#working = this.#work();
  }

  /** Takes no new study, and resolves when those begun are acknowledged whole. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#working;
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      for (const study of this.next()) {
        this.sent.push(study);
        for (const instances of study.transfers) await this.#send(instances);
      }
    }
  }

  async #send(instances: readonly TinyInstance[]): Promise<void> {
    const association = await this.#open(instances);
    if (!association) return;
    const stored = new Set<TinyInstance>();
    try {
      for (const instance of instances) {
        if (await store(association, instance)) {
          this.sender.keep(instance);
          stored.add(instance);
        }
        await sleep(objectEveryMs);
      }
      await association.release();
    } catch {
      association.abort();
    }
    if (stored.size === instances.length) this.counts.whole++;
    else this.counts.cut++;
    await this.sender.send(
      instances.filter((instance) => !stored.has(instance)),
      'dimse',
    );
  }

  /** Asks until the association is accepted; undefined when we gave up. */
  async #open(instances: readonly TinyInstance[]): Promise<ScuAssociation | undefined> {
    const headers = await Promise.all(instances.map(({ bytes }) => readPart10(bytes)));
    const kinds = new Map(headers.map((header) => [`${header.sopClassUid} ${header.transferSyntaxUid}`, header]));
    const contexts = [...kinds.values()].map(({ sopClassUid, transferSyntaxUid }) => ({
      abstractSyntaxUid: sopClassUid,
      transferSyntaxUids: [transferSyntaxUid],
    }));
    const address = { host: '127.0.0.1', port: this.dimsePort, calledAet: 'CALLOSUM', callingAet: 'SLOW' };
    while (!this.giveUp.aborted) {
      try {
        return await ScuAssociation.open({ ...address, timeouts: { responseMs } }, contexts);
      } catch {
        this.counts.refused++;
        await sleep(retryMs);
      }
    }
    return undefined;
  }
}

async function store(association: ScuAssociation, { bytes }: TinyInstance): Promise<boolean> {
  const { sopClassUid, sopInstanceUid, transferSyntaxUid, datasetOffset } = await readPart10(bytes);
  const context = association.contextFor(sopClassUid, transferSyntaxUid);
  const dataset = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).subarray(datasetOffset);
  const { status } = await association.store(context, sopClassUid, sopInstanceUid, async function* (chunkBytes) {
    for (let at = 0; at < dataset.length; at += chunkBytes)
      yield await Promise.resolve(dataset.subarray(at, at + chunkBytes));
  });
  return isStored(status);
}
