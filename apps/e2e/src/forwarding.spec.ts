import { storeFiles } from '@callosum/dimse';
import { type Orthanc, TestAuthority, testDataPath } from '@callosum/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import type { Callosum } from './harness/callosum.js';
import { filesOf, firstOfEachUid } from './harness/equal.js';
import { eventually } from './harness/fhir.js';
import { judgeOrthanc, startWithOrthanc, type SystemWithOrthanc } from './harness/orthanc.js';
import { smallPhantom, writeStudy } from './harness/studies.js';

/** HTJ2K and deflated frames: younger than Debian's Orthanc. */
const tooYoung = new Set(
  ['201', '202', '203'].map((end) => `1.2.840.10008.1.2.4.${end}`).concat('1.2.840.10008.1.2.8.1'),
);

interface Queue {
  readonly destination: string;
  readonly waiting: number;
  readonly failed: number;
}

/** Orthanc stands behind the node as its PACS: what a modality sends to the node reaches it by a rule, as it was sent. */
describe('a PACS behind the node', () => {
  let both: SystemWithOrthanc;
  let authority: TestAuthority;
  beforeAll(async () => void (authority = await TestAuthority.create()));
  afterEach(() => both.stop());
  afterAll(() => authority.remove());

  const api = async <T>({ httpUrl }: Callosum, path: string, body?: object): Promise<T> => {
    const response = await fetch(`${httpUrl}/api/dimse/${path}`, {
      ...(body ? { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {}),
    });
    expect(response.status).toBeLessThan(300);
    return (await response.json()) as T;
  };

  /** Makes the rule, sends the files to the node as a modality, and waits until none waits for Orthanc any more. */
  async function expectForwarded(system: Callosum, orthanc: Orthanc, files: readonly string[]): Promise<void> {
    const rule = await api<{ id: string }>(system, 'forwarding-rules', { sources: ['CT*'], destination: 'ORTHANC' });
    expect(await api(system, `forwarding-rules/${rule.id}`)).toMatchObject({ sources: ['CT*'], transcode: true });
    const node = { host: '127.0.0.1', port: system.dimsePort, calledAet: 'CALLOSUM' };
    const outcomes = await storeFiles({ ...node, callingAet: 'CT1', files });
    expect(outcomes.filter(({ status }) => status !== 0)).toEqual([]);
    await eventually(`Orthanc has ${files.length} instances`, 90_000, async () => {
      const { CountInstances } = await orthanc.rest<{ CountInstances: number }>('/statistics');
      return CountInstances === files.length;
    });
    await eventually('nothing waits for it', 30_000, async () => {
      const { queues } = await api<{ queues: Queue[] }>(system, 'queues');
      return queues.find(({ destination }) => destination === 'ORTHANC')?.waiting === 0;
    });
    const { queues } = await api<{ queues: Queue[] }>(system, 'queues');
    expect(queues).toMatchObject([{ destination: 'ORTHANC', waiting: 0, failed: 0 }]);
    expect(await judgeOrthanc(orthanc, files)).toMatchObject({ instances: files.length, differences: [] });
  }

  const codecs = testDataPath('codecs') ?? '';
  it.skipIf(codecs === '')('gets every codec it knows, and private attributes, each as it was sent', async () => {
    const studies = filesOf(testDataPath('studies', 'ct-chest') ?? '').slice(0, 5);
    const files = await firstOfEachUid([...studies, ...filesOf(codecs)], tooYoung);
    expect(files.length).toBeGreaterThan(30);
    both = await startWithOrthanc('forwarding', ['CT1']);
    await expectForwarded(both.system, both.orthanc, files);
  });

  it('gets them over TLS, where its entry says so and its certificate is what was agreed', async () => {
    const [ours, its] = [await authority.issue('callosum', 'DNS:localhost'), await authority.issue('orthanc', '')];
    const certificates = {
      CALLOSUM_DIMSE_TLS_CERT_FILE: ours.certFile,
      CALLOSUM_DIMSE_TLS_KEY_FILE: ours.keyFile,
      CALLOSUM_DIMSE_TLS_CA_FILE: ours.caFile,
    };
    both = await startWithOrthanc('forwarding-tls', ['CT1'], certificates, {
      entry: { tls: { call: true, required: false, subject: 'CN=orthanc' } },
      configuration: {
        DicomTlsEnabled: true,
        DicomTlsCertificate: its.certFile,
        DicomTlsPrivateKey: its.keyFile,
        DicomTlsTrustedCertificates: its.caFile,
        DicomTlsRemoteCertificateRequired: true,
      },
    });
    const files = filesOf(writeStudy(smallPhantom({ uidSalt: 'forwarding-tls' })));
    await expectForwarded(both.system, both.orthanc, files);
  });
});
