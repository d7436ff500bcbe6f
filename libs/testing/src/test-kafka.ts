export interface TestKafka {
  /** "host:port" */
  readonly brokers: readonly string[];
  /** Kills the broker, waits `downMs`, and starts it again on the same port with what it had on disk. */
  restart(downMs: number): Promise<void>;
  stop(): Promise<void>;
}
