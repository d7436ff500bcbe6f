import { metrics } from '@opentelemetry/api';

/** A peer may call itself anything: past this many names the rest share one label. */
const labelsMax = 200;

/** What SREs see of the DIMSE door; labels are the calling AE title and the status or end. */
export class DimseMetrics {
  readonly #meter = metrics.getMeter('callosum.dimse-ingest');
  readonly #instances = this.#meter.createCounter('callosum_dimse_instances', {
    description: 'C-STORE requests answered, by calling AE title and status',
  });
  readonly #bytes = this.#meter.createCounter('callosum_dimse_stored_bytes', {
    description: 'Dataset bytes stored, by calling AE title',
    unit: 'By',
  });
  readonly #associations = this.#meter.createCounter('callosum_dimse_associations', {
    description: 'Associations, by calling AE title and how they ended',
  });
  readonly #open = this.#meter.createUpDownCounter('callosum_dimse_associations_open', {
    description: 'Associations open now',
  });
  readonly #storeMs = this.#meter.createHistogram('callosum_dimse_store_duration', {
    description: 'From C-STORE request to response',
    unit: 'ms',
  });
  readonly #names = new Set<string>();

  opened(): void {
    this.#open.add(1);
  }

  ended(callingAet: string, outcome: string): void {
    this.#open.add(-1);
    this.#associations.add(1, { calling_ae: this.#label(callingAet), outcome });
  }

  rejected(callingAet: string): void {
    this.#associations.add(1, { calling_ae: this.#label(callingAet), outcome: 'rejected' });
  }

  answered(callingAet: string, status: string, byteCount: number, durationMs: number): void {
    const calling_ae = this.#label(callingAet);
    this.#instances.add(1, { calling_ae, status });
    this.#storeMs.record(durationMs, { status });
    if (byteCount > 0) this.#bytes.add(byteCount, { calling_ae });
  }

  #label(callingAet: string): string {
    if (this.#names.size < labelsMax) this.#names.add(callingAet);
    return this.#names.has(callingAet) ? callingAet : 'other';
  }
}
