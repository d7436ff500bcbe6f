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
 * failed shows before anything fails by it. NaN for a file that is no certificate, or cannot be read.
 */
export async function certificateReadings(
  service: string,
  files: Readonly<Record<string, string>>,
  now = new Date(),
): Promise<Reading[]> {
  return Promise.all(
    Object.entries(files).map(async ([whom, file]) => {
      const labels = { 'callosum.service': service, 'callosum.certificate': whom };
      const end = await endOf(file).catch(() => NaN);
      return reading('callosum.certificate.remaining', (end - now.getTime()) / 1000, labels);
    }),
  );
}

const endOf = async (file: string): Promise<number> => new X509Certificate(await readFile(file)).validToDate.getTime();
