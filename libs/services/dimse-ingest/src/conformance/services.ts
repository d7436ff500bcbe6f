import { storageInformation, verificationSopClassUid } from '@callosum/dimse';

import { answerFind, answerRetrieve } from '../domain/query-negotiation.js';
import { procedureStepClass, procedureStepRetrieveClass } from '../transport/dimse/procedure-step.service.js';
import { findClasses, getClasses, moveClasses } from '../transport/dimse/query-sop-classes.js';
import { modalityWorklistClass } from '../transport/dimse/worklist.service.js';
import type { StatusTable } from './statuses.js';

/**
 * A service the node offers or uses, as docs/conformance/dicom.md states it. A spec asks the running node whether it is so.
 */
export interface StatedService {
  /** Of its tables in the document. */
  readonly id: StatusTable;
  readonly name: string;
  /** Where PS3.4 describes it. */
  readonly section: string;
  readonly operations: string;
  /** Empty for Storage: its SOP classes are a table of their own. */
  readonly sopClassUids: readonly string[];
  readonly scp: boolean;
  /** What the node asks of others as SCU; absent when it never does. */
  readonly scuFor?: string;
  /** The requestor of an association may be the provider, by role selection (PS3.7 D.3.3.4), and what for. */
  readonly requestorProvides?: string;
  /** Answer to a SOP Class Extended Negotiation that asks for everything; absent where none is given. */
  readonly extended?: readonly number[];
}

/** More than any edition asks about. */
const everything = Uint8Array.from({ length: 16 }, () => 1);
const findExtended = [...(answerFind(everything) ?? [])];
const retrieveExtended = [...(answerRetrieve(everything) ?? [])];

export const statedServices: readonly StatedService[] = [
  {
    id: 'echo',
    name: 'Verification',
    section: 'A',
    operations: 'C-ECHO',
    sopClassUids: [verificationSopClassUid],
    scp: true,
    scuFor: 'testing an AE (`POST /api/dimse/aes/{aet}/echo`)',
  },
  {
    id: 'store',
    name: 'Storage',
    section: 'B',
    operations: 'C-STORE',
    sopClassUids: [],
    scp: true,
    scuFor: 'sub-operations of C-MOVE and C-GET, forwarding',
    requestorProvides: 'to take what its C-GET asked for',
    extended: [...storageInformation],
  },
  {
    id: 'find',
    name: 'Query',
    section: 'C',
    operations: 'C-FIND',
    sopClassUids: Object.keys(findClasses),
    scp: true,
    scuFor: 'pulls: finding studies at their source (Study Root)',
    extended: findExtended,
  },
  {
    id: 'move',
    name: 'Retrieve by moving',
    section: 'C',
    operations: 'C-MOVE',
    sopClassUids: Object.keys(moveClasses),
    scp: true,
    scuFor: 'pulls (Study Root)',
    extended: retrieveExtended,
  },
  {
    id: 'get',
    name: 'Retrieve on the same association',
    section: 'C',
    operations: 'C-GET',
    sopClassUids: Object.keys(getClasses),
    scp: true,
    scuFor: 'pulls from AEs that say so (Study Root)',
    extended: retrieveExtended,
  },
  {
    id: 'worklist',
    name: 'Modality Worklist',
    section: 'K',
    operations: 'C-FIND',
    sopClassUids: [modalityWorklistClass],
    scp: true,
  },
  {
    id: 'step',
    name: 'Modality Performed Procedure Step',
    section: 'F.7',
    operations: 'N-CREATE, N-SET',
    sopClassUids: [procedureStepClass],
    scp: true,
  },
  {
    id: 'step-retrieve',
    name: 'Modality Performed Procedure Step Retrieve',
    section: 'F.8',
    operations: 'N-GET',
    sopClassUids: [procedureStepRetrieveClass],
    scp: true,
  },
  {
    id: 'commitment',
    name: 'Storage Commitment Push Model',
    section: 'J',
    operations: 'N-ACTION, N-EVENT-REPORT',
    sopClassUids: ['1.2.840.10008.1.20.1'],
    scp: true,
    scuFor: 'taking N-EVENT-REPORTs; asking (N-ACTION) is not begun by anything in this version',
    requestorProvides: 'to report to us',
  },
];
