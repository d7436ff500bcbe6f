/** What one retrieve may hold of objects that cannot be streamed, and how long it goes on. */
export interface RetrieveMemory {
  /** Aborted when the answer has ended: what reads for it is given up. */
  readonly signal: AbortSignal;
  /** What it may hold at most: who needs more is refused. */
  readonly bytesMax: number;
  /**
   * Waits until so many bytes may be held: until the answer and the work for it have ended, or `hold` is called again.
   * @param byteCount at most `bytesMax`; 0 lets go of what is held, at once
   * @throws {MemoryTakenError} when the turn does not come
   * @throws {RetrieveEndedError} when the answer has ended: nothing may be held
   */
  hold(byteCount: number): Promise<void>;
  /** Lets go of what is held beyond so many bytes, at once. */
  keep(byteCount: number): void;
}

/** The memory that all retrieves of a process share. */
export interface MemoryBudget {
  readonly bytesMax: number;
  /**
   * Resolves with what gives the bytes back, or all but so many.
   * @param signal ends the waiting, with its reason
   * @param asker opaque: who has half of it at most, or one thing that takes more; undefined where nobody is told apart
   */
  take(byteCount: number, signal: AbortSignal, asker?: string): Promise<(left?: number) => void>;
}
