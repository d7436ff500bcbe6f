import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { type Reading, reading } from '@callosum/telemetry';

/** `CALLOSUM_KAFKA_TLS_CERT_FILE` is what the service shows to kafka; the one without a name is for other services. */
const setting = /^CALLOSUM_(?:AUTH_)?(?:([A-Z]+)_)?TLS_CERT_FILE$/;

/** Files with certificates a service shows, by whom it shows them to. */
export function certificateFiles(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const files = Object.entries(settings).flatMap(([name, file]): [string, string][] => {
    const [matched, whom = 'internal'] = setting.exec(name) ?? [];
    return matched !== undefined && typeof file === 'string' ? [[whom.toLowerCase(), file]] : [];
  });
  return Object.fromEntries(files);
}

/**
 * Seconds until each certificate ends, below 0 once it has: read from the files as they are now, so that a renewal that
 * failed shows before anything fails by it. A file that is no certificate, or cannot be read, is told as such (0): what
 * it would tell of its end would be no number, which no comparison of an alert holds for.
 */
export async function certificateReadings(
  service: string,
  files: Readonly<Record<string, string>>,
  now = new Date(),
): Promise<Reading[]> {
  const readings = await Promise.all(
    Object.entries(files).map(async ([whom, file]) => {
      const labels = { 'callosum.service': service, 'callosum.certificate': whom };
      const end = await endOf(file).catch(() => undefined);
      const readable = reading('callosum.certificate.readable', end === undefined ? 0 : 1, labels);
      if (end === undefined) return [readable];
      return [readable, reading('callosum.certificate.remaining', (end - now.getTime()) / 1000, labels)];
    }),
  );
  return readings.flat();
}

const endOf = async (file: string): Promise<number> => new X509Certificate(await readFile(file)).validToDate.getTime();
