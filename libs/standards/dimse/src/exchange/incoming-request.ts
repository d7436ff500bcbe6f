import { type CommandSet, responseTo } from '../messages/command-set.js';
import type { DatasetStream } from '../messages/dataset-stream.js';
import type { AcceptedContext } from './contexts.js';

/** A request of the peer's, whole but for the dataset of a C-STORE, which comes as a stream. */
export interface IncomingRequest {
  readonly context: AcceptedContext;
  readonly command: CommandSet;
  readonly messageId: number;
  /** Aborted by a C-CANCEL for it, and by the end of the association. */
  readonly signal: AbortSignal;
  /** Of a C-STORE that announced a dataset. */
  readonly stream?: DatasetStream;
  /** Resolves when the last byte of its dataset came, or the association ended. */
  readonly received: Promise<void>;
  /** Of other requests: identifier or attribute list; absent when none was announced. */
  readonly dataset?: Buffer;
  /** The dataset was longer than `identifierBytesMax` and was thrown away. */
  readonly tooLong: boolean;
}

/** The signal of a C-CANCEL says why it was aborted: the request is answered with Cancel then. */
export const canceled = Symbol('C-CANCEL');

/** A response to it (PS3.7 section 9.3); `answer` is what it says beside what every response of its service says. */
export function responseOf(
  { command, messageId }: IncomingRequest,
  answer: Partial<CommandSet>,
  hasDataset: boolean,
): CommandSet {
  const affectedSopClassUid = command.affectedSopClassUid ?? command.requestedSopClassUid;
  return {
    ...(affectedSopClassUid !== undefined ? { affectedSopClassUid } : {}),
    messageIdBeingRespondedTo: messageId,
    ...answer,
    commandField: responseTo(command.commandField),
    hasDataset,
  };
}
