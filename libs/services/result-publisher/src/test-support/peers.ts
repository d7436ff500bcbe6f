import { identity, imaging } from '@callosum/contracts';
import { parseFile, toDicomJson } from '@callosum/dicom';
import { createPeerClients, type PeerClients } from '@callosum/runtime';
import { createServer, type Server, ServerError, Status } from 'nice-grpc';

import type { ResultArchive } from '../application/ports.js';
import type { Dataset } from '../domain/dicom/dataset.js';

/** study-index and identity-mapping as this service meets them, over gRPC, for one study whose state a test sets. */
export class PeersForTests {
  readonly instances = new Map<string, Dataset>();
  readonly clients: PeerClients;
  /** The current decision; without a Patient it is a quarantine. */
  decision = { id: 'decision-1', patientReference: 'Patient/none' };
  identityDigest = 'digest-1';
  revision = 1;
  leasesHeld = 0;
  private emptied: string | undefined;
  /** Called when a lease is confirmed: what changes here changes just before FHIR is written. */
  onConfirm: () => void = () => undefined;

  private constructor(
    private readonly server: Server,
    /** Where both answer. */
    readonly address: string,
  ) {
    this.clients = createPeerClients('result-publisher', { studyIndex: address, identity: address });
  }

  static async start(): Promise<PeersForTests> {
    const server = createServer();
    const late: { peers?: PeersForTests } = {};
    const peers = (): PeersForTests => {
      if (!late.peers) throw new Error('not started');
      return late.peers;
    };
    server.add(imaging.StudyIndexServiceDefinition, {
      ...unasked('getDemographics', 'search', 'locateInstances', 'reindex'),
      ...unasked('readMetadata', 'locateFrames', 'awaitIndexed'),
      getStudy: () => Promise.resolve({ study: peers().study() }),
      streamMetadata: (request: imaging.StreamMetadataRequest) => peers().metadata(request.seriesInstanceUid ?? ''),
    } as never);
    server.add(identity.IdentityServiceDefinition, {
      ...unasked('getDecision'),
      acquirePublishLease: (request: identity.AcquirePublishLeaseRequest) => Promise.resolve(peers().acquire(request)),
      confirmPublishLease: (request: identity.ConfirmPublishLeaseRequest) =>
        Promise.resolve(peers().confirm(request.leaseId ?? '')),
      releasePublishLease: () => {
        peers().leasesHeld -= 1;
        return Promise.resolve({});
      },
    } as never);
    late.peers = new PeersForTests(server, `127.0.0.1:${await server.listen('127.0.0.1:0')}`);
    return late.peers;
  }

  async stop(): Promise<void> {
    this.clients.close();
    await this.server.shutdown();
  }

  /** What study-index shows of an archive's objects once it has caught up. */
  add(bytes: Uint8Array): void {
    const dataset = toDicomJson(parseFile(bytes).dataset, { omitBulkData: true });
    this.instances.set(String(dataset['00080018']?.Value?.[0]), dataset);
  }

  /** Instances leave the index, all of the study where none is named; a study that was known stays. */
  withhold(sopInstanceUids: readonly string[] = [...this.instances.keys()]): void {
    const [any] = this.instances.values();
    this.emptied = String(any?.['0020000D']?.Value?.[0]);
    for (const uid of sopInstanceUids) this.instances.delete(uid);
  }

  private study(): imaging.Study {
    if (this.instances.size === 0 && this.emptied !== undefined)
      return imaging.Study.fromPartial({ studyInstanceUid: this.emptied, revision: this.revision });
    if (this.instances.size === 0) throw new ServerError(Status.NOT_FOUND, 'study');
    const series = new Map<string, imaging.Series>();
    for (const dataset of this.instances.values()) {
      const text = (tag: string): string => String(dataset[tag]?.Value?.[0] ?? '');
      const number = (tag: string): number | undefined => (text(tag) === '' ? undefined : Number(text(tag)));
      const found =
        series.get(text('0020000E')) ??
        imaging.Series.fromPartial({
          seriesInstanceUid: text('0020000E'),
          modality: text('00080060'),
          seriesNumber: number('00200011'),
        });
      found.instances.push(
        imaging.Instance.fromPartial({
          sopInstanceUid: text('00080018'),
          sopClassUid: text('00080016'),
          instanceNumber: number('00200013'),
        }),
      );
      series.set(found.seriesInstanceUid, found);
    }
    const [first] = this.instances.values();
    return imaging.Study.fromPartial({
      studyInstanceUid: String(first?.['0020000D']?.Value?.[0]),
      revision: this.revision,
      studyDate: '20260301',
      studyTime: '101500',
      timezoneOffsetFromUtc: '+0100',
      studyDescription: 'Chest <CT> & more',
      identityDigest: this.identityDigest,
      series: [...series.values()],
    });
  }

  private async *metadata(seriesInstanceUid: string): AsyncIterable<imaging.StreamMetadataResponse> {
    if (this.instances.size === 0) throw new ServerError(Status.NOT_FOUND, 'study');
    for (const [sopInstanceUid, dataset] of this.instances) {
      if (dataset['0020000E']?.Value?.[0] !== seriesInstanceUid) continue;
      await Promise.resolve();
      yield {
        seriesInstanceUid,
        sopInstanceUid,
        dicomJson: JSON.stringify({ ...dataset, '7FE00010': undefined }),
        blobKey: 'blob',
      };
    }
  }

  private acquire({
    decisionId,
    purpose,
    duration,
  }: identity.AcquirePublishLeaseRequest): identity.AcquirePublishLeaseResponse {
    const { id, patientReference } = this.decision;
    const withdraws = purpose === identity.LeasePurpose.LEASE_PURPOSE_WITHDRAW;
    if (decisionId !== id || withdraws !== (patientReference === ''))
      throw new ServerError(Status.FAILED_PRECONDITION, 'not the current decision, or not of that kind');
    this.leasesHeld += 1;
    return { leaseId: id, patientReference, duration, expiresAt: soon() };
  }

  private confirm(leaseId: string): identity.ConfirmPublishLeaseResponse {
    this.onConfirm();
    if (leaseId !== this.decision.id) throw new ServerError(Status.FAILED_PRECONDITION, 'revoked');
    return { expiresAt: soon() };
  }
}

/** Methods this service never calls: a call of one fails the test that made it. */
const unasked = (...methods: readonly string[]) =>
  Object.fromEntries(
    methods.map((method) => [method, () => Promise.reject(new ServerError(Status.UNIMPLEMENTED, method))]),
  );

const soon = (): string => new Date(Date.now() + 60_000).toISOString();

/** An archive, and an index that sees what was stored unless it is told to lag. */
export class IndexedArchive implements ResultArchive {
  readonly stored: string[] = [];
  lagging = false;

  constructor(
    private readonly archive: ResultArchive,
    private readonly peers: PeersForTests,
  ) {}

  async store(...[documents, correlationId]: Parameters<ResultArchive['store']>): Promise<void> {
    await this.archive.store(documents, correlationId);
    for (const { sopInstanceUid, bytes } of documents) {
      if (!this.stored.includes(sopInstanceUid)) this.stored.push(sopInstanceUid);
      if (!this.lagging) this.peers.add(bytes);
    }
  }

  isWithheld(...[study, uids]: Parameters<ResultArchive['isWithheld']>): Promise<boolean> {
    return this.archive.isWithheld(study, uids);
  }

  async hide(...[study, uids]: Parameters<ResultArchive['hide']>): Promise<void> {
    await this.archive.hide(study, uids);
    for (const uid of uids) this.peers.instances.delete(uid);
  }
}
