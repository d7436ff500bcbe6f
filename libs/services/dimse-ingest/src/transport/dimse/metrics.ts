import { count, record } from '@callosum/telemetry';

/** Where everybody may call, peers call themselves anything: past this many names the rest share one label. */
const labelsMax = 200;

/** What SREs see of the DIMSE door. */
export class DimseMetrics {
  readonly #names = new Set<string>();

  opened(): void {
    count('callosum.dimse.associations.open', 1, {});
  }

  ended(callingAet: string, outcome: string): void {
    count('callosum.dimse.associations.open', -1, {});
    this.#associations(callingAet, outcome);
  }

  /** @param known an entry has the title: others are made up, and would take the labels of those who call */
  rejected(callingAet: string, why: string, known: boolean): void {
    this.#associations(callingAet, 'rejected', known);
    count('callosum.dimse.rejections', 1, { 'dimse.rejection': why });
  }

  /** A connection ended without an association. */
  connectionFailed(code: string): void {
    count('callosum.dimse.connections.failed', 1, { 'error.type': code });
  }

  /** A request waited for its turn. */
  slowed(callingAet: string): void {
    count('callosum.dimse.slowed', 1, { 'dicom.calling_ae': this.#label(callingAet) });
  }

  /** A C-STORE was answered. */
  answered(callingAet: string, status: string, byteCount: number, seconds: number): void {
    const calling = { 'dicom.calling_ae': this.#label(callingAet) };
    count('callosum.dimse.instances', 1, { ...calling, 'dicom.status': status });
    record('callosum.dimse.operation.duration', seconds, { 'dicom.operation': 'C-STORE', 'dicom.status': status });
    if (byteCount > 0) count('callosum.dimse.stored_bytes', byteCount, calling);
  }

  /** A request of another service was answered for the last time. */
  operated(operation: string, status: string, seconds: number): void {
    record('callosum.dimse.operation.duration', seconds, { 'dicom.operation': operation, 'dicom.status': status });
  }

  /** A C-ECHO was answered. */
  echoed(callingAet: string): void {
    count('callosum.dimse.echoes', 1, { 'dicom.calling_ae': this.#label(callingAet) });
  }

  #associations(callingAet: string, outcome: string, known = true): void {
    const isLabelled = known || this.#names.has(callingAet);
    const labels = {
      'dicom.calling_ae': isLabelled ? this.#label(callingAet) : 'unknown',
      'callosum.outcome': outcome,
    };
    count('callosum.dimse.associations', 1, labels);
  }

  #label(callingAet: string): string {
    if (this.#names.size < labelsMax) this.#names.add(callingAet);
    return this.#names.has(callingAet) ? callingAet : 'other';
  }
}
