import { writeFile } from 'node:fs/promises';

import { TestAuthority, type TestCertificate } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { certificateFiles, certificateReadings } from './certificate-gauges.js';

describe('certificates a service shows', () => {
  let authority: TestAuthority;
  let certificate: TestCertificate;
  beforeAll(async () => {
    authority = await TestAuthority.create();
    certificate = await authority.issue('study-index', 'DNS:localhost');
  });
  afterAll(() => authority.remove());

  it('are found among its settings, by whom it shows them to', () => {
    expect(
      certificateFiles({
        CALLOSUM_AUTH_TLS_CERT_FILE: '/a',
        CALLOSUM_AUTH_WORKER_TLS_CERT_FILE: '/b',
        CALLOSUM_KAFKA_TLS_CERT_FILE: '/c',
        CALLOSUM_KAFKA_TLS_CA_FILE: '/of-others',
        CALLOSUM_KAFKA_TLS_KEY_FILE: '/no-certificate',
        CALLOSUM_SITE: 'default',
      }),
    ).toEqual({ internal: '/a', worker: '/b', kafka: '/c' });
    expect(certificateFiles({ CALLOSUM_AUTH_TLS_CERT_FILE: undefined })).toEqual({});
  });

  it('tell how long they last, from the file as it is', async () => {
    const remaining = async (now: Date): Promise<number | undefined> =>
      (await certificateReadings('study-index', { internal: certificate.certFile }, now)).find(
        ({ name }) => name === 'callosum.certificate.remaining',
      )?.value;
    const now = new Date();
    const left = (await remaining(now)) ?? 0;
    expect(left).toBeGreaterThan(0);
    // An hour later it is an hour less, and past its end it is below 0.
    expect(await remaining(new Date(now.getTime() + 3_600_000))).toBeCloseTo(left - 3600, 3);
    expect(await remaining(new Date(now.getTime() + (left + 60) * 1000))).toBeCloseTo(-60, 3);
    const other = await authority.issue('worker', 'DNS:localhost');
    await writeFile(certificate.certFile, 'no certificate');
    const files = { internal: certificate.certFile, worker: other.certFile, kafka: '/nowhere' };
    const told = (await certificateReadings('study-index', files, now)).map(({ name, labels, value }) => [
      name.replace('callosum.certificate.', ''),
      labels['callosum.certificate'],
      value,
    ]);
    // Each by a number that an alert can compare.
    expect(told).toEqual([
      ['readable', 'internal', 0],
      ['readable', 'worker', 1],
      ['remaining', 'worker', expect.closeTo(left, -3)],
      ['readable', 'kafka', 0],
    ]);
  });
});
