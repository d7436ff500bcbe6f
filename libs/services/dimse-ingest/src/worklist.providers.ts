import type { Authenticator } from '@callosum/auth';
import { FhirClient } from '@callosum/fhir';
import { AUTHENTICATOR, PLATFORM_SETTINGS, type PlatformSettings, SETTINGS } from '@callosum/runtime';
import { currentTraceparent } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { FhirOrders } from './adapters/fhir-orders.js';
import { FindWorklist } from './application/find-worklist.js';
import type { DimseIngestSettings } from './settings.js';
import { WorklistService } from './transport/dimse/worklist.service.js';

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
    ) => {
      const fhir = new FhirClient({
        baseUrl: CALLOSUM_FHIR_URL,
        timeoutMs: fhirTimeoutMs,
        headers: traceHeaders,
        ...(accessToken ? { accessToken } : {}),
      });
      const { CALLOSUM_WORKLIST_TIME_ZONE: timeZone } = settings;
      return new FindWorklist(
        new FhirOrders(fhir, CALLOSUM_FHIR_URL, settings.CALLOSUM_WORKLIST_CATEGORIES),
        {
          site,
          stations: new Map(Object.entries(settings.CALLOSUM_WORKLIST_STATIONS)),
          ...(timeZone === undefined ? {} : { timeZone }),
        },
        settings.CALLOSUM_WORKLIST_ORDERS_MAX,
      );
    },
    inject: [SETTINGS, PLATFORM_SETTINGS, AUTHENTICATOR],
  },
  WorklistService,
];
