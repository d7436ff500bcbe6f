import { type MetricDefinition, requestBounds } from './metric-definition.js';

/** What is seen of the DICOM network: associations, objects, what others ask for, and what goes on to them. */
export const dimseMetrics = {
  'callosum.dimse.instances': {
    kind: 'counter',
    unit: '{instance}',
    labels: ['dicom.calling_ae', 'dicom.status'],
    meaning: 'C-STORE requests answered',
  },
  'callosum.dimse.echoes': {
    kind: 'counter',
    unit: '{request}',
    labels: ['dicom.calling_ae'],
    meaning: 'C-ECHO requests answered: what a peer asks to see that it is connected',
  },
  'callosum.dimse.stored_bytes': {
    kind: 'counter',
    unit: 'By',
    labels: ['dicom.calling_ae'],
    meaning: 'Dataset bytes stored',
  },
  'callosum.dimse.associations': {
    kind: 'counter',
    unit: '{association}',
    labels: ['dicom.calling_ae', 'callosum.outcome'],
    meaning: 'Associations by how they ended: released, aborted, lost, rejected',
  },
  'callosum.dimse.rejections': {
    kind: 'counter',
    unit: '{association}',
    labels: ['dimse.rejection'],
    meaning: 'Associations rejected, by why',
  },
  'callosum.dimse.connections.failed': {
    kind: 'counter',
    unit: '{connection}',
    labels: ['error.type'],
    meaning: 'Connections that ended without an association: no request in time, no TLS, bytes that are no PDU',
  },
  'callosum.dimse.slowed': {
    kind: 'counter',
    unit: '{request}',
    labels: ['dicom.calling_ae'],
    meaning: "Requests that waited for their turn by their AE's rate",
  },
  'callosum.dimse.associations.open': {
    kind: 'upDownCounter',
    unit: '{association}',
    labels: [],
    meaning: 'Associations open now',
  },
  'callosum.dimse.sub_operations': {
    kind: 'counter',
    unit: '{instance}',
    labels: ['dicom.operation', 'callosum.outcome'],
    meaning: 'Instances sent for C-MOVE and C-GET, by what became of them: completed, warning, failed',
  },
  'callosum.dimse.operation.duration': {
    kind: 'histogram',
    unit: 's',
    labels: ['dicom.operation', 'dicom.status'],
    meaning: 'DIMSE operations, from request to response',
    bounds: requestBounds,
  },
  'callosum.dimse.commitments': {
    kind: 'gauge',
    unit: '{request}',
    labels: ['callosum.outcome'],
    meaning:
      'Storage commitments whose report waits to be delivered (waiting), and whose report was given up and is still kept (given-up)',
  },
  'callosum.dimse.commitments.oldest_age': {
    kind: 'gauge',
    unit: 's',
    labels: [],
    meaning: 'How long the storage commitment that waits longest for its report has waited; 0 when none waits',
  },
  'callosum.dimse.commitment.instances': {
    kind: 'counter',
    unit: '{instance}',
    labels: ['dicom.status'],
    meaning: 'Instances of reported storage commitments: 0000 committed to, else the failure reason',
  },
  'callosum.forward.instances': {
    kind: 'counter',
    unit: '{attempt}',
    labels: ['dicom.destination_ae', 'callosum.outcome'],
    meaning:
      'Attempts to forward an instance, by outcome: sent; failed for good; later, it is tried again; away, its destination is; withdrawn, there is nothing to send any more',
  },
  'callosum.forward.waiting': {
    kind: 'gauge',
    unit: '{instance}',
    labels: ['dicom.destination_ae'],
    meaning: 'Instances that wait to be forwarded, at most 100,000 a destination',
  },
  'callosum.forward.failed': {
    kind: 'gauge',
    unit: '{instance}',
    labels: ['dicom.destination_ae'],
    meaning: 'Instances that a destination refused for good: a person retries or drops them',
  },
  'callosum.forward.oldest_age': {
    kind: 'gauge',
    unit: 's',
    labels: ['dicom.destination_ae'],
    meaning: 'How long the instance that has waited longest for a destination has waited; 0 when none does',
  },
  'callosum.pulls': {
    kind: 'counter',
    unit: '{pull}',
    labels: ['callosum.outcome'],
    meaning: 'Pulls that ended: completed or failed',
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;
