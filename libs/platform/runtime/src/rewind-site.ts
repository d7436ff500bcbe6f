import { SettingsError, parseSettings } from '@callosum/config';
import { KafkaEventLog } from '@callosum/event-log';
import type { Logger } from '@callosum/telemetry';
import { z } from 'zod';

import type { ServiceDefinition } from './definition.js';
import { kafkaSecurity, kafkaSettings } from './kafka-settings.js';

const rewindSettings = z.object(kafkaSettings);

/**
 * After PostgreSQL was restored from a back-up: gives each service again what Kafka took in since the back-up was made.
 * Positions are Kafka's and did not go back with the database: facts that were on their way at that moment have been
 * handled by a database that is gone. The services must be down. Where the log is in PostgreSQL it was restored with it.
 * @param to a moment before the back-up; earlier costs time only, for each inbox knows what its database has handled
 * @throws {SettingsError} {KafkaAccessError} {EventLogUnavailableError} also when one of the services still runs
 */
export async function rewindSite(
  definitions: readonly Pick<ServiceDefinition, 'name'>[],
  env: NodeJS.ProcessEnv,
  to: Date,
  logger: Logger,
): Promise<void> {
  if (env['CALLOSUM_EVENT_LOG'] !== 'kafka')
    throw new SettingsError(['CALLOSUM_EVENT_LOG: only Kafka keeps positions outside the database']);
  const settings = parseSettings(rewindSettings, env);
  const log = new KafkaEventLog({
    brokers: settings.CALLOSUM_KAFKA_BROKERS.split(',').map((broker) => broker.trim()),
    clientId: 'callosum-rewind',
    security: kafkaSecurity(settings),
    onError: (err) => logger.warn({ err }, 'event-log.trouble'),
  });
  try {
    for (const { name } of definitions) {
      const rewound = await log.rewind(name, to);
      for (const { topic, events } of rewound) logger.info({ group: name, topic, events }, 'group.rewound');
      if (rewound.length === 0) logger.info({ group: name }, 'group.unchanged');
    }
  } finally {
    await log.close();
  }
}
