/** An origin server of DICOMweb that is measured. */
export interface Receiver {
  readonly name: ReceiverName;
  /** Base URL of its DICOMweb without a slash at the end. */
  readonly base: string;
  /** Its processes by name: they and all they start are what its time and memory are counted of. */
  readonly processes: Readonly<Record<string, number>>;
  /** Instances that it has, by its own account. */
  stored(): Promise<number>;
  /** Resolves when all that was stored is found too, and nothing is left to do for it. */
  settled(): Promise<void>;
  /** Ends it, and takes away what it kept. */
  stop(): Promise<void>;
}

export const receiverNames = ['node', 'orthanc'] as const;
export type ReceiverName = (typeof receiverNames)[number];

/** Those that tables have a line for: beside receivers a server that gives one answer from a file, which says how fast Node and the client are. */
export type MeasuredName = ReceiverName | 'bare';

/** As tables name them. */
export const titleOf: Readonly<Record<MeasuredName, string>> = {
  node: 'Callosum',
  orthanc: 'Orthanc with its DICOMweb plug-in',
  bare: 'a bare server: the same bytes from one file',
};
