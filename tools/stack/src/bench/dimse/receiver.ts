/** Whom the comparison sends to. */
export interface Receiver {
  readonly port: number;
  readonly aet: string;
  /** Its processes by name: they and all they start are what its time and memory are counted of. */
  readonly processes: Readonly<Record<string, number>>;
  /** Objects of at least `bytesMin` bytes that are there, by its own account. */
  stored(bytesMin: number): Promise<number>;
  /** Ends it, and takes away what it kept. */
  stop(): Promise<void>;
}

export const receiverNames = ['node', 'storescp', 'orthanc', 'sink'] as const;
export type ReceiverName = (typeof receiverNames)[number];

/** As tables name them. */
export const titleOf: Readonly<Record<ReceiverName, string>> = {
  node: 'this node',
  storescp: 'DCMTK storescp',
  orthanc: 'Orthanc',
  sink: 'sink (the sender alone)',
};

/** The AE title everything is sent under. */
export const benchAet = 'BENCH';

/** Small writes must not wait for delayed acknowledgements: DCMTK and what is built on it ask for this. */
export const noDelayEnv = (): NodeJS.ProcessEnv => ({ ...process.env, TCP_NODELAY: '1' });
