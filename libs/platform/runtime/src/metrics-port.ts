import { oidcConfig } from '@callosum/auth';
import { assertBindAllowed, isLoopback } from '@callosum/config';

import type { PlatformSettings } from './settings.js';

/** Where Prometheus exporters of OpenTelemetry listen by convention. */
const portDefault = 9464;

/**
 * The port metrics have to themselves; undefined where they stay on the HTTP port, which is so only while that is open
 * and on loopback: scrapers show no token, and what is not authenticated does not share a port with what is.
 */
export function metricsPort(settings: PlatformSettings): number | undefined {
  const open = oidcConfig(settings) === undefined && isLoopback(settings.CALLOSUM_HTTP_HOST);
  return settings.CALLOSUM_METRICS_PORT ?? (open ? undefined : portDefault);
}

/** @throws {UnauthenticatedBindError} on another address than loopback, unless the settings say it is meant */
export function assertMetricsBind(settings: PlatformSettings): void {
  if (metricsPort(settings) === undefined) return;
  assertBindAllowed('CALLOSUM_METRICS_HOST', settings.CALLOSUM_METRICS_HOST, {
    on: settings.CALLOSUM_METRICS_ALLOW_REMOTE,
    needs: 'CALLOSUM_METRICS_ALLOW_REMOTE=true, which says that only the monitoring reaches that port',
  });
}
