import { type Answer, isStored, statusText, type SubOperationCounts } from '@callosum/dimse';
import { errorCode } from '@callosum/kernel';

/** C-STORE sub-operations of one C-MOVE or C-GET, as they are counted (PS3.4 sections C.4.2.1.6 to C.4.2.1.9). */
export class SubOperations {
  readonly #failed: string[] = [];
  #completed = 0;
  #warning = 0;
  #firstFailure: string | undefined;

  constructor(readonly total: number) {}

  get counts(): SubOperationCounts {
    const [completed, failed, warning] = [this.#completed, this.#failed.length, this.#warning];
    return { remaining: this.total - completed - failed - warning, completed, failed, warning };
  }

  get failedSopInstanceUids(): readonly string[] {
    return this.#failed;
  }

  /** Why the first of them failed: a code of ours, or the peer's status. */
  get firstFailure(): string | undefined {
    return this.#firstFailure;
  }

  answered(sopInstanceUid: string, { status }: Answer): void {
    if (status === 0) this.#completed++;
    else if (isStored(status)) this.#warning++;
    else this.#fail(sopInstanceUid, `status ${statusText(status)}`);
  }

  failed(sopInstanceUid: string, error: unknown): void {
    this.#fail(sopInstanceUid, errorCode(error));
  }

  #fail(sopInstanceUid: string, why: string): void {
    this.#failed.push(sopInstanceUid);
    this.#firstFailure ??= why;
  }
}
