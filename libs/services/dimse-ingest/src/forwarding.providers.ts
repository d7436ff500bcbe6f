import type { Archive } from '@callosum/archive';
import type { Database } from '@callosum/database';
import { isTransient, Waker } from '@callosum/event-log';
import { ARCHIVE, DATABASE, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { ArchiveObjects } from './adapters/archive-objects.js';
import { DicomDestinations } from './adapters/dicom-destinations.js';
import type { ForwardingTables } from './adapters/forwarding-tables.js';
import { PeerOptions } from './adapters/peer-options.js';
import { PostgresForwardQueue } from './adapters/postgres-forward-queue.js';
import { PostgresForwardingRules } from './adapters/postgres-forwarding-rules.js';
import type { Destinations } from './application/destination-ports.js';
import type { ForwardingRules, ForwardQueue } from './application/forwarding-ports.js';
import type { ApplicationEntities } from './application/ports.js';
import { QueueForwards } from './application/queue-forwards.js';
import { SendForwards } from './application/send-forwards.js';
import type { DimseIngestSettings } from './settings.js';
import {
  APPLICATION_ENTITIES,
  ARCHIVE_OBJECTS,
  DESTINATIONS,
  FORWARD_QUEUE,
  FORWARD_WAKER,
  FORWARDING_RULES,
} from './tokens.js';
import { ForwardingLoop } from './transport/forwarding.loop.js';
import { observedForward } from './transport/observed-forward.js';

/** Forwarding: rules, queues, and the workers that send; and the nodes they send to, which C-MOVE shares. */
export const forwardingProviders: Provider[] = [
  { provide: FORWARD_WAKER, useFactory: () => new Waker() },
  {
    provide: FORWARDING_RULES,
    inject: [DATABASE, SETTINGS, LOGGER],
    useFactory: (
      database: Database<ForwardingTables>,
      { CALLOSUM_DIMSE_FORWARDING: fixed }: DimseIngestSettings,
      logger: Logger,
    ) => new PostgresForwardingRules(database, fixed, (rule) => logger.error({ rule }, 'forward.rule-unreadable')),
  },
  {
    provide: FORWARD_QUEUE,
    inject: [DATABASE, FORWARD_WAKER],
    useFactory: (database: Database<ForwardingTables>, waker: Waker) =>
      new PostgresForwardQueue(database, () => waker.wake()),
  },
  {
    provide: QueueForwards,
    inject: [FORWARDING_RULES, FORWARD_QUEUE, SETTINGS],
    useFactory: (
      rules: ForwardingRules,
      queue: ForwardQueue,
      { CALLOSUM_FORWARD_RETENTION_DAYS: days }: DimseIngestSettings,
    ) => new QueueForwards(rules, queue, days * 86_400_000),
  },
  {
    provide: ARCHIVE_OBJECTS,
    inject: [ARCHIVE],
    useFactory: (archive: Archive) => new ArchiveObjects(archive),
  },
  {
    provide: DESTINATIONS,
    inject: [PeerOptions, SETTINGS],
    useFactory: (options: PeerOptions, settings: DimseIngestSettings) =>
      new DicomDestinations(options, settings.CALLOSUM_DIMSE_SUBOPERATION_TIMEOUT_MS),
  },
  {
    provide: SendForwards,
    inject: [
      ...[FORWARD_QUEUE, FORWARDING_RULES, ARCHIVE_OBJECTS, APPLICATION_ENTITIES, DESTINATIONS, FORWARD_WAKER],
      ...[SETTINGS, LOGGER],
    ],
    useFactory: (
      queue: ForwardQueue,
      rules: ForwardingRules,
      objects: ArchiveObjects,
      entities: ApplicationEntities,
      destinations: Destinations,
      work: Waker,
      { CALLOSUM_FORWARD_ASSOCIATIONS: associationsMax, CALLOSUM_FORWARD_IDLE_MS: idleMs }: DimseIngestSettings,
      logger: Logger,
    ) =>
      new SendForwards({
        queue,
        rules,
        entities,
        destinations,
        objects,
        isOutage: isTransient,
        associationsMax,
        idleMs,
        work,
        observe: observedForward(logger),
        onAway: (aet, code, pauseMs) =>
          logger.warn({ aet, code, pauseMs: Math.round(pauseMs) }, 'forward.destination-away'),
        onBack: (aet) => logger.info({ aet }, 'forward.destination-back'),
      }),
  },
  ForwardingLoop,
];
