import { verificationSopClassUid } from '@callosum/dimse';

import {
  commitmentStatuses,
  findStatuses,
  getStatuses,
  moveStatuses,
  type StatusRow,
  stepRetrieveStatuses,
  stepStatuses,
  storeStatuses,
  worklistStatuses,
} from './statuses.js';

/**
 * A service the node offers or uses, as docs/conformance/dicom.md states it. A spec asks the running node whether it is so.
 */
export interface StatedService {
  readonly name: string;
  /** Where PS3.4 describes it. */
  readonly section: string;
  readonly operations: string;
  /** Empty for Storage: its SOP classes are a table of their own. */
  readonly sopClassUids: readonly string[];
  readonly scp: boolean;
  /** What the node asks of others as SCU; absent when it never does. */
  readonly scuFor?: string;
  readonly statuses: readonly StatusRow[];
}

const patientRoot = '1.2.840.10008.5.1.4.1.2.1';
const studyRoot = '1.2.840.10008.5.1.4.1.2.2';

export const statedServices: readonly StatedService[] = [
  {
    name: 'Verification',
    section: 'A',
    operations: 'C-ECHO',
    sopClassUids: [verificationSopClassUid],
    scp: true,
    scuFor: 'testing an AE (`POST /api/dimse/aes/{aet}/echo`)',
    statuses: [[0x0000, 'Always']],
  },
  {
    name: 'Storage',
    section: 'B',
    operations: 'C-STORE',
    sopClassUids: [],
    scp: true,
    scuFor: 'sub-operations of C-MOVE and C-GET, forwarding',
    statuses: storeStatuses,
  },
  {
    name: 'Query',
    section: 'C',
    operations: 'C-FIND',
    sopClassUids: [`${patientRoot}.1`, `${studyRoot}.1`],
    scp: true,
    scuFor: 'pulls: finding studies at their source (Study Root)',
    statuses: findStatuses,
  },
  {
    name: 'Retrieve by moving',
    section: 'C',
    operations: 'C-MOVE',
    sopClassUids: [`${patientRoot}.2`, `${studyRoot}.2`],
    scp: true,
    scuFor: 'pulls (Study Root)',
    statuses: moveStatuses,
  },
  {
    name: 'Retrieve on the same association',
    section: 'C',
    operations: 'C-GET',
    sopClassUids: [`${patientRoot}.3`, `${studyRoot}.3`],
    scp: true,
    scuFor: 'pulls from AEs that say so (Study Root)',
    statuses: getStatuses,
  },
  {
    name: 'Modality Worklist',
    section: 'K',
    operations: 'C-FIND',
    sopClassUids: ['1.2.840.10008.5.1.4.31'],
    scp: true,
    statuses: worklistStatuses,
  },
  {
    name: 'Modality Performed Procedure Step',
    section: 'F.7',
    operations: 'N-CREATE, N-SET',
    sopClassUids: ['1.2.840.10008.3.1.2.3.3'],
    scp: true,
    statuses: stepStatuses,
  },
  {
    name: 'Modality Performed Procedure Step Retrieve',
    section: 'F.8',
    operations: 'N-GET',
    sopClassUids: ['1.2.840.10008.3.1.2.3.4'],
    scp: true,
    statuses: stepRetrieveStatuses,
  },
  {
    name: 'Storage Commitment Push Model',
    section: 'J',
    operations: 'N-ACTION; N-EVENT-REPORT to the requestor, and from whom we asked',
    sopClassUids: ['1.2.840.10008.1.20.1'],
    scp: true,
    statuses: commitmentStatuses,
  },
];
