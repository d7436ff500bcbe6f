import { type Dashboard, most, perSecond, quantile, series } from './panels.js';

const service = 'callosum_service=~"$service"';
const group = 'callosum_group=~"$group"';

export const platform: Dashboard = {
  uid: 'callosum-platform',
  title: 'Callosum: platform',
  description: 'Event log, outboxes, parked work, database, HTTP and gRPC of every service, and who is refused.',
  variables: [
    ['service', 'Service', 'http_server_request_duration_count'],
    ['group', 'Consumer group', 'callosum_parked_events'],
  ],
  rows: [
    {
      title: 'Events',
      panels: [
        {
          title: 'Consumer lag',
          description: 'Events behind a group’s position.',
          unit: 'short',
          runbook: 'CallosumConsumerLagGrows',
          queries: [
            [
              most('callosum_consumer_lag', ['callosum_group', 'callosum_topic'], group),
              '{{callosum_group}} {{callosum_topic}}',
            ],
          ],
        },
        {
          title: 'Attempts',
          description: 'Attempts to handle an event: handled, retried, parked.',
          unit: 'ops',
          runbook: 'CallosumConsumerStalled',
          queries: [
            [
              perSecond('callosum_events_total', ['callosum_group', 'callosum_outcome'], group),
              '{{callosum_group}} {{callosum_outcome}}',
            ],
          ],
        },
        {
          title: 'Fact to handled',
          description: 'p95 from a fact to the end of its handling: the lag as people feel it.',
          unit: 's',
          runbook: 'CallosumConsumerLagGrows',
          queries: [
            [
              quantile(0.95, 'callosum_events_age', ['callosum_group', 'callosum_topic'], group),
              '{{callosum_group}} {{callosum_topic}}',
            ],
          ],
        },
        {
          title: 'Time of an attempt',
          description: 'p95 of one attempt to handle an event.',
          unit: 's',
          runbook: 'CallosumConsumerLagGrows',
          queries: [
            [
              quantile(0.95, 'callosum_events_duration', ['callosum_group', 'callosum_topic'], group),
              '{{callosum_group}} {{callosum_topic}}',
            ],
          ],
        },
        {
          title: 'Outbox rows',
          description: 'Events waiting to be sent. At 100,000 stores are refused.',
          unit: 'short',
          runbook: 'CallosumOutboxFull',
          queries: [[most('callosum_outbox_rows', ['callosum_schema']), '{{callosum_schema}}']],
        },
        {
          title: 'Oldest in the outbox',
          description: 'Above a minute the event log is away or slow.',
          unit: 's',
          runbook: 'CallosumOutboxOld',
          queries: [[most('callosum_outbox_oldest_age', ['callosum_schema']), '{{callosum_schema}}']],
        },
        {
          title: 'Parked events',
          description:
            'Failed for good or while something was away, or behind one that did; and those a person must get on.',
          unit: 'short',
          runbook: 'CallosumEventsParked',
          queries: [
            [most('callosum_parked_events', ['callosum_group'], group), '{{callosum_group}}'],
            [most('callosum_parked_for_person', ['callosum_group'], group), '{{callosum_group}} for a person'],
          ],
        },
        {
          title: 'Parked publications',
          description: 'Refused for good by the archive or the FHIR server: what they say is not in the record.',
          unit: 'short',
          runbook: 'CallosumPublicationsParked',
          queries: [[most('callosum_publish_parked', ['callosum_publication']), '{{callosum_publication}}']],
        },
        {
          title: 'Longest parked',
          description: 'How long the oldest parked event has lain.',
          unit: 's',
          runbook: 'CallosumParkedOld',
          queries: [[most('callosum_parked_oldest_age', ['callosum_group'], group), '{{callosum_group}}']],
        },
      ],
    },
    {
      title: 'Database and processes',
      panels: [
        {
          title: 'Gauges that cannot be read',
          description: 'Schemas whose rows could not be counted: the database is away or too slow. None is good.',
          unit: 'short',
          runbook: 'CallosumDatabaseAway',
          queries: [
            [
              `count by (callosum_schema) (${series('callosum_outbox_rows')} != ${series('callosum_outbox_rows')})`,
              '{{callosum_schema}}',
            ],
          ],
        },
        {
          title: 'Replicas that answer',
          description: 'Targets that could be scraped, by component. It dips while replicas drain and start.',
          unit: 'short',
          runbook: 'CallosumReplicaDown',
          queries: [
            [
              `sum by (app_kubernetes_io_component) (${series('up', 'app_kubernetes_io_component!=""', 'job=~".*callosum.*"')})`,
              '{{app_kubernetes_io_component}}',
            ],
          ],
        },
        {
          title: 'Calls cut off or held off',
          description:
            '499: the caller left. 503: draining or a dependency is away; a drain that takes long shows here.',
          unit: 'ops',
          runbook: 'upgrade',
          queries: [
            [
              perSecond(
                'http_server_request_duration_count',
                ['callosum_service', 'http_response_status_code'],
                service,
                'http_response_status_code=~"499|503"',
              ),
              '{{callosum_service}} {{http_response_status_code}}',
            ],
          ],
        },
      ],
    },
    {
      title: 'HTTP',
      panels: [
        {
          title: 'HTTP requests',
          description: 'Requests a second, by service.',
          unit: 'ops',
          runbook: 'CallosumHttpBudgetBurn',
          queries: [
            [perSecond('http_server_request_duration_count', ['callosum_service'], service), '{{callosum_service}}'],
          ],
        },
        {
          title: 'HTTP failures',
          description: '5xx a second, by service, route and status.',
          unit: 'ops',
          runbook: 'CallosumHttpBudgetBurn',
          queries: [
            [
              perSecond(
                'http_server_request_duration_count',
                ['callosum_service', 'http_route', 'http_response_status_code'],
                service,
                'http_response_status_code=~"5.."',
              ),
              '{{callosum_service}} {{http_route}} {{http_response_status_code}}',
            ],
          ],
        },
        {
          title: 'HTTP time',
          description: 'p95 from the headers of the request to the end of the response.',
          unit: 's',
          runbook: 'CallosumHttpBudgetBurn',
          queries: [
            [quantile(0.95, 'http_server_request_duration', ['callosum_service'], service), '{{callosum_service}}'],
          ],
        },
      ],
    },
    {
      title: 'gRPC',
      panels: [
        {
          title: 'gRPC calls',
          description: 'Calls a second, by service and method; a stream counts when it ends.',
          unit: 'ops',
          runbook: 'CallosumGrpcBudgetBurn',
          queries: [
            [
              perSecond('rpc_server_call_duration_count', ['callosum_service', 'rpc_method'], service),
              '{{callosum_service}} {{rpc_method}}',
            ],
          ],
        },
        {
          title: 'gRPC failures',
          description: 'Calls a second that did not end with OK, by status.',
          unit: 'ops',
          runbook: 'CallosumGrpcBudgetBurn',
          queries: [
            [
              perSecond(
                'rpc_server_call_duration_count',
                ['callosum_service', 'rpc_method', 'rpc_response_status_code'],
                service,
                'rpc_response_status_code!="OK"',
              ),
              '{{callosum_service}} {{rpc_method}} {{rpc_response_status_code}}',
            ],
          ],
        },
        {
          title: 'gRPC time',
          description: 'p95 by method. A stream of a worker lives long and says nothing about speed.',
          unit: 's',
          runbook: 'CallosumGrpcBudgetBurn',
          queries: [[quantile(0.95, 'rpc_server_call_duration', ['rpc_method'], service), '{{rpc_method}}']],
        },
      ],
    },
    {
      title: 'Who is refused',
      panels: [
        {
          title: 'Denials',
          description: 'Calls refused for who made them, by listener and code.',
          unit: 'ops',
          runbook: 'CallosumAuthDenied',
          queries: [
            [
              perSecond('callosum_auth_denied_total', ['callosum_service', 'callosum_listener', 'error_type'], service),
              '{{callosum_service}} {{callosum_listener}} {{error_type}}',
            ],
          ],
        },
      ],
    },
  ],
};
