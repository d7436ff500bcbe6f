import { type Dashboard, most, perSecond, quantile, series } from './panels.js';

const ae = 'dicom_calling_ae=~"$ae"';
const service = 'callosum_service=~"$service"';

export const imaging: Dashboard = {
  uid: 'callosum-imaging',
  title: 'Callosum: imaging intake',
  description: 'What comes in by DIMSE and DICOMweb, from whom, and what archive and index make of it.',
  variables: [
    ['ae', 'Calling AE', 'callosum_dimse_instances_total'],
    ['service', 'HTTP service', 'http_server_request_duration_count'],
  ],
  rows: [
    {
      title: 'DIMSE',
      panels: [
        {
          title: 'Instances by AE',
          description: 'C-STORE requests answered a second, whatever the answer.',
          unit: 'ops',
          runbook: 'CallosumStoresBudgetBurn',
          queries: [[perSecond('callosum_dimse_instances_total', ['dicom_calling_ae'], ae), '{{dicom_calling_ae}}']],
        },
        {
          title: 'Bytes by AE',
          description: 'Dataset bytes stored a second.',
          unit: 'Bps',
          runbook: 'scale',
          queries: [[perSecond('callosum_dimse_stored_bytes_total', ['dicom_calling_ae'], ae), '{{dicom_calling_ae}}']],
        },
        {
          title: 'Refused instances',
          description:
            'C-STORE answered with a failure, by status: A700 and 0110 are ours, A900, C000, 0117 and 0122 the sender’s.',
          unit: 'ops',
          runbook: 'CallosumStoresBudgetBurn',
          queries: [
            [
              perSecond(
                'callosum_dimse_instances_total',
                ['dicom_calling_ae', 'dicom_status'],
                ae,
                'dicom_status!~"0000|B..."',
              ),
              '{{dicom_calling_ae}} {{dicom_status}}',
            ],
          ],
        },
        {
          title: 'Time to answer a C-STORE',
          description: 'From request to response, the transfer of the dataset included: a slow sender shows here too.',
          unit: 's',
          runbook: 'CallosumStoresBudgetBurn',
          queries: [
            [quantile(0.5, 'callosum_dimse_operation_duration', ['dicom_operation']), 'p50 {{dicom_operation}}'],
            [quantile(0.99, 'callosum_dimse_operation_duration', ['dicom_operation']), 'p99 {{dicom_operation}}'],
          ],
        },
        {
          title: 'Associations by end',
          description: 'released is good; aborted and lost are cut short; rejected was not let in.',
          unit: 'ops',
          runbook: 'CallosumStoresBudgetBurn',
          queries: [
            [
              perSecond('callosum_dimse_associations_total', ['dicom_calling_ae', 'callosum_outcome'], ae),
              '{{dicom_calling_ae}} {{callosum_outcome}}',
            ],
          ],
        },
        {
          title: 'C-ECHO',
          description: 'What peers ask to see that they are connected, by calling AE.',
          unit: 'ops',
          runbook: 'CallosumStoresBudgetBurn',
          queries: [[perSecond('callosum_dimse_echoes_total', ['dicom_calling_ae'], ae), '{{dicom_calling_ae}}']],
        },
        {
          title: 'Storage commitments',
          description: 'Reports that wait to be delivered, and those that were given up in the last 30 days.',
          unit: 'short',
          runbook: 'CallosumCommitmentsWait',
          queries: [[`max by (callosum_outcome) (${series('callosum_dimse_commitments')})`, '{{callosum_outcome}}']],
        },
        {
          title: 'Open associations',
          description: 'Over all replicas; each takes CALLOSUM_DIMSE_ASSOCIATIONS_MAX (128) at most.',
          unit: 'short',
          runbook: 'scale',
          queries: [[`sum (${series('callosum_dimse_associations_open')})`, 'open']],
        },
      ],
    },
    {
      title: 'Forwarding',
      panels: [
        {
          title: 'Forwarded',
          description: 'Instances that destinations took a second.',
          unit: 'ops',
          runbook: 'CallosumForwardingOld',
          queries: [
            [
              perSecond('callosum_forward_instances_total', ['dicom_destination_ae'], 'callosum_outcome="sent"'),
              '{{dicom_destination_ae}}',
            ],
          ],
        },
        {
          title: 'Waiting for a destination',
          description: 'Instances that are still to be sent, and those a destination refused for good.',
          unit: 'short',
          runbook: 'CallosumForwardingFailed',
          queries: [
            [most('callosum_forward_waiting', ['dicom_destination_ae']), '{{dicom_destination_ae}}'],
            [most('callosum_forward_failed', ['dicom_destination_ae']), '{{dicom_destination_ae}} refused'],
          ],
        },
        {
          title: 'Longest waiting',
          description: 'How long the instance that has waited longest for a destination has waited.',
          unit: 's',
          runbook: 'CallosumForwardingOld',
          queries: [[most('callosum_forward_oldest_age', ['dicom_destination_ae']), '{{dicom_destination_ae}}']],
        },
      ],
    },
    {
      title: 'DICOMweb',
      panels: [
        {
          title: 'Requests by route',
          description: 'Requests a second of the chosen services.',
          unit: 'ops',
          runbook: 'CallosumHttpBudgetBurn',
          queries: [
            [
              perSecond(
                'http_server_request_duration_count',
                ['http_request_method', 'http_route'],
                service,
                'http_route=~"/dicom-web.*"',
              ),
              '{{http_request_method}} {{http_route}}',
            ],
          ],
        },
        {
          title: 'Failures by route',
          description: '4xx and 5xx a second: 503 with Retry-After means that writes are held off.',
          unit: 'ops',
          runbook: 'CallosumHttpBudgetBurn',
          queries: [
            [
              perSecond(
                'http_server_request_duration_count',
                ['http_route', 'http_response_status_code'],
                service,
                'http_route=~"/dicom-web.*"',
                'http_response_status_code=~"[45].."',
              ),
              '{{http_response_status_code}} {{http_route}}',
            ],
          ],
        },
        {
          title: 'Time to answer',
          description: 'From the headers of the request to the end of the response, p95 by route.',
          unit: 's',
          runbook: 'CallosumHttpBudgetBurn',
          queries: [
            [
              quantile(0.95, 'http_server_request_duration', ['http_route'], service, 'http_route=~"/dicom-web.*"'),
              '{{http_route}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'Archive and index',
      panels: [
        {
          title: 'Conflicts',
          description: 'Objects kept beside another of their SOPInstanceUID, in the last hour: a person should look.',
          unit: 'short',
          runbook: 'CallosumArchiveConflict',
          queries: [
            [
              `sum by (callosum_decision) (increase(${series('callosum_archive_conflicts_total')}[1h]))`,
              '{{callosum_decision}}',
            ],
          ],
        },
        {
          title: 'Free disk',
          description:
            'Under the object store, where that is files. Below CALLOSUM_DISK_FREE_BYTES_MIN stores are refused.',
          unit: 'bytes',
          runbook: 'CallosumDiskLow',
          queries: [[`min (${series('callosum_disk_free')})`, 'free']],
        },
        {
          title: 'Stored, not yet announced',
          description: 'Age of the oldest event in the outboxes of archive and index.',
          unit: 's',
          runbook: 'CallosumOutboxOld',
          queries: [
            [
              most('callosum_outbox_oldest_age', ['callosum_schema'], 'callosum_schema=~"archive|study_index"'),
              '{{callosum_schema}}',
            ],
          ],
        },
        {
          title: 'Stored, not yet indexed',
          description: 'Events the index has not handled.',
          unit: 'short',
          runbook: 'CallosumConsumerLagGrows',
          queries: [
            [most('callosum_consumer_lag', ['callosum_topic'], 'callosum_group="study-index"'), '{{callosum_topic}}'],
          ],
        },
        {
          title: 'Stored to indexed',
          description: 'From a stored instance to the end of its handling by the index.',
          unit: 's',
          runbook: 'CallosumConsumerLagGrows',
          queries: [
            [quantile(0.5, 'callosum_events_age', [], 'callosum_group="study-index"'), 'p50'],
            [quantile(0.95, 'callosum_events_age', [], 'callosum_group="study-index"'), 'p95'],
          ],
        },
        {
          title: 'First instance to complete',
          description: 'Until no instance came for the quiet period.',
          unit: 's',
          runbook: 'stuck-study',
          queries: [
            [quantile(0.5, 'callosum_study_completion_duration', []), 'p50'],
            [quantile(0.95, 'callosum_study_completion_duration', []), 'p95'],
          ],
        },
        {
          title: 'Longest kept from complete',
          description:
            'How long the first study has waited, after its quiet period, for stored instances to be indexed. Seconds are the log catching up.',
          unit: 's',
          runbook: 'CallosumStudyStandsStill',
          queries: [[most('callosum_completion_oldest_age', []), 'oldest']],
        },
        {
          title: 'Kept from complete',
          description: 'Studies whose quiet period is over and that are not complete.',
          unit: 'short',
          runbook: 'CallosumStudyStandsStill',
          queries: [
            [most('callosum_completion_waiting', []), 'not indexed'],
            [most('callosum_completion_held', []), 'held by procedure steps'],
          ],
        },
      ],
    },
  ],
};
