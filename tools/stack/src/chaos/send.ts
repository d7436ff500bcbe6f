import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { storeFiles } from '@callosum/dimse';
import type { TinyInstance } from '@callosum/phantom';

import { modalityAe } from '../cluster/access.js';
import type { Cluster } from '../cluster/cluster.js';
import { datasetDigest } from './dataset-digest.js';

/** What was acknowledged, by SOPInstanceUID: the sender's side of the promise. */
export interface Acknowledged {
  readonly studyInstanceUid: string;
  /** Lower-case hex SHA-256 of the dataset as it was sent. */
  readonly sha256: string;
}

export interface SendCounts {
  /** Associations and requests that ended without a word for each object. */
  broken: number;
  /** Objects refused with a failure status, to be sent again. */
  refused: number;
}

/** As a modality does: it keeps its copy, and tries again after this time. */
const retryMs = 500;
const requestMs = 30_000;

/** Sends objects until each is acknowledged, whatever is down meanwhile. */
export class Sender {
  readonly acknowledged = new Map<string, Acknowledged>();
  readonly counts: SendCounts = { broken: 0, refused: 0 };

  constructor(
    private readonly cluster: Pick<Cluster, 'addresses' | 'headers'>,
    private readonly signal: AbortSignal,
  ) {}

  /** Resolves when every instance is acknowledged, or the signal aborts. */
  async send(instances: readonly TinyInstance[], by: 'dimse' | 'stow'): Promise<void> {
    for (let rest = instances; rest.length > 0 && !this.signal.aborted;) {
      const stored = await (by === 'dimse' ? this.#dimse(rest) : this.#stow(rest));
      for (const instance of rest) if (stored.has(instance.sopInstanceUid)) this.keep(instance);
      rest = rest.filter(({ sopInstanceUid }) => !stored.has(sopInstanceUid));
      if (rest.length > 0) await sleep(retryMs);
    }
  }

  /** The instance is acknowledged: from now on it must not be lost. */
  keep({ sopInstanceUid, studyInstanceUid, bytes }: TinyInstance): void {
    this.acknowledged.set(sopInstanceUid, { studyInstanceUid, sha256: datasetDigest(bytes) });
  }

  async #dimse(instances: readonly TinyInstance[]): Promise<Set<string>> {
    const stored = new Set<string>();
    const files = instances.map(({ bytes }) => bytes);
    try {
      await storeFiles({
        host: '127.0.0.1',
        port: this.cluster.addresses.dimsePort,
        calledAet: 'CALLOSUM',
        callingAet: modalityAe,
        timeouts: { responseMs: requestMs },
        files,
        onProgress: (outcome) => {
          if (outcome.stored && outcome.sopInstanceUid) stored.add(outcome.sopInstanceUid);
          else this.counts.refused++;
        },
      });
    } catch {
      // The peer is gone: what it answered before counts.
      this.counts.broken++;
    }
    return stored;
  }

  async #stow(instances: readonly TinyInstance[]): Promise<Set<string>> {
    const boundary = randomUUID();
    const head = Buffer.from(`--${boundary}\r\nContent-Type: application/dicom\r\n\r\n`);
    const parts = instances.flatMap(({ bytes }) => [head, Buffer.from(bytes), Buffer.from('\r\n')]);
    try {
      const response = await fetch(`${this.cluster.addresses.http('dicomweb')}/dicom-web/studies`, {
        method: 'POST',
        headers: {
          ...(await this.cluster.headers('pacs')),
          'content-type': `multipart/related; type="application/dicom"; boundary=${boundary}`,
          accept: 'application/dicom+json',
        },
        body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
        signal: AbortSignal.timeout(requestMs),
      });
      const dataset = (await response.json()) as StoreResponse;
      const stored = new Set((dataset['00081199']?.Value ?? []).map((item) => item['00081155']?.Value?.[0] ?? ''));
      this.counts.refused += instances.length - stored.size;
      return stored;
    } catch {
      this.counts.broken++;
      return new Set();
    }
  }
}

/** Of PS3.18 Table I.2-1: the Referenced SOP Sequence and its Referenced SOP Instance UID. */
type StoreResponse = Record<
  string,
  { readonly Value?: readonly Record<string, { readonly Value?: readonly string[] }>[] } | undefined
>;
