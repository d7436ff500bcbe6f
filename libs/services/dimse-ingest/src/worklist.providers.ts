import type { Authenticator } from '@callosum/auth';
import { FhirClient } from '@callosum/fhir';
import { type Clock, errorCode } from '@callosum/kernel';
import { AUTHENTICATOR, CLOCK, LOGGER, PLATFORM_SETTINGS, type PlatformSettings, SETTINGS } from '@callosum/runtime';
import { currentTraceparent, type Logger } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { FhirOrders } from './adapters/fhir-orders.js';
import { FairTurns } from './application/fair-turns.js';
import { FindWorklist } from './application/find-worklist.js';
import type { DimseIngestSettings } from './settings.js';
import { WorklistService } from './transport/dimse/worklist.service.js';

/** Pages of orders that are read at the same time: each is some searches of the record. */
const pagesAtOnce = 4;
/** A modality waits for its list with a person before it. */
const fhirTimeoutMs = 10_000;

const traceHeaders = (): Record<string, string> => {
  const traceparent = currentTraceparent();
  return traceparent ? { traceparent } : {};
};

/** The modality worklist, from the orders of the FHIR server. */
export const worklistProviders: Provider[] = [
  {
    provide: FindWorklist,
    useFactory: (
      settings: DimseIngestSettings,
      { CALLOSUM_FHIR_URL, CALLOSUM_SITE: site }: PlatformSettings,
      { fhirToken: accessToken }: Authenticator,
      logger: Logger,
      clock: Clock,
    ) => {
      const fhir = new FhirClient({
        baseUrl: CALLOSUM_FHIR_URL,
        timeoutMs: fhirTimeoutMs,
        headers: traceHeaders,
        ...(accessToken ? { accessToken } : {}),
      });
      const { CALLOSUM_WORKLIST_TIME_ZONE: timeZone, CALLOSUM_WORKLIST_UNDATED_DAYS: undatedDays } = settings;
      return new FindWorklist({
        orders: new FhirOrders(fhir, CALLOSUM_FHIR_URL, settings.CALLOSUM_WORKLIST_CATEGORIES, {
          days: undatedDays,
          onRefused: (error) =>
            logger.warn(error ? { code: errorCode(error), err: error } : {}, 'worklist.undated-refused'),
        }),
        site: {
          site,
          undatedDays,
          stations: new Map(Object.entries(settings.CALLOSUM_WORKLIST_STATIONS)),
          ...(timeZone === undefined ? {} : { timeZone }),
        },
        clock,
        ordersMax: settings.CALLOSUM_WORKLIST_ORDERS_MAX,
        turns: new FairTurns(pagesAtOnce),
        onLeftOut: (order, error) => logger.warn({ order, code: errorCode(error) }, 'worklist.order-left-out'),
      });
    },
    inject: [SETTINGS, PLATFORM_SETTINGS, AUTHENTICATOR, LOGGER, CLOCK],
  },
  WorklistService,
];
