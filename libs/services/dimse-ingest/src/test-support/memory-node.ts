import { CertificateFiles, type CertificateFilesError } from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { datasetOf, writeFile } from '@callosum/dicom';
import { type ScuOptions, tlsProfile } from '@callosum/dimse';
import { systemClock } from '@callosum/kernel';
import { Drain } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';

import { LiveEntities } from '../adapters/live-entities.js';
import { NetworkAddresses } from '../adapters/network-addresses.js';
import { AdmitPeer } from '../application/admit-peer.js';
import { AnnounceRelease } from '../application/announce-release.js';
import { CheckUserIdentity } from '../application/check-user-identity.js';
import { StoreInstance } from '../application/store-instance.js';
import type { ApplicationEntity } from '../domain/application-entity.js';
import { dimseIngestSettings } from '../settings.js';
import { certificateFilesOf } from '../settings-peers.js';
import { DimseListener } from '../transport/dimse/dimse-listener.js';
import { MemoryAnnouncer, MemoryArchive } from './memory-archive.js';

const noTokens = { of: () => Promise.reject(new Error('no tokens here')) };

/** The DIMSE ports of a node with its archive in memory. */
export class MemoryNode {
  private constructor(
    readonly listener: DimseListener,
    readonly archive: MemoryArchive,
    readonly logLines: readonly string[],
    /** The AEs that people keep by the API are these from now on. */
    readonly change: (...entities: ApplicationEntity[]) => Promise<void>,
  ) {}

  static async start(changes: Record<string, string>, certificateEveryMs = 20): Promise<MemoryNode> {
    const env = { CALLOSUM_DIMSE_PORT: '0', CALLOSUM_DIMSE_TLS_PORT: '0', ...changes };
    const settings = parseSettings(dimseIngestSettings, env);
    const files = certificateFilesOf(settings);
    const { CALLOSUM_DIMSE_USER_IDENTITY: policy, CALLOSUM_DIMSE_IDENTITY_IN_CLEAR: inClear } = settings;
    const logLines: string[] = [];
    const archive = new MemoryArchive();
    const logger = createLogger('dimse-ingest', 'debug', { write: (line: string) => void logLines.push(line) });
    const unusable = ({ code }: CertificateFilesError): void => logger.error({ code }, 'dimse.certificate-unusable');
    const stored = { revision: 0, entities: [] as ApplicationEntity[] };
    const entities = new LiveEntities(settings.CALLOSUM_DIMSE_AES, {
      revision: () => Promise.resolve(stored.revision),
      all: () =>
        Promise.resolve(
          stored.entities.map((entity) => ({ entity, revision: 1, changedAt: new Date(), changedBy: 'subject-1' })),
        ),
    });
    const change = async (...changed: ApplicationEntity[]): Promise<void> => {
      stored.entities = changed;
      stored.revision++;
      await entities.refresh();
    };
    const listener = new DimseListener(
      settings,
      new StoreInstance(archive),
      new AnnounceRelease(new MemoryAnnouncer(), systemClock),
      new AdmitPeer(entities, new NetworkAddresses(), new CheckUserIdentity(policy, noTokens, inClear)),
      [],
      logger,
      new Drain(300),
      entities,
      files && new CertificateFiles(files, unusable, certificateEveryMs, tlsProfile),
    );
    await listener.onApplicationBootstrap();
    return new MemoryNode(listener, archive, logLines, change);
  }

  to(changes: Partial<ScuOptions> = {}): ScuOptions {
    return { host: '127.0.0.1', port: this.listener.port, calledAet: 'CALLOSUM', callingAet: 'CT1', ...changes };
  }

  /** Why associations were rejected, as the log says. */
  get rejections(): unknown[] {
    return this.logLines
      .map((line) => JSON.parse(line) as { msg: string; why?: string })
      .flatMap(({ msg, why }) => (msg === 'assoc.rejected' ? [why] : []));
  }

  close(): Promise<void> {
    return this.listener.beforeApplicationShutdown();
  }
}

/** A small object as a file. */
export const ctFile = (SOPInstanceUID: string, pixelBytes = 1_000): Buffer =>
  Buffer.from(
    writeFile(
      datasetOf({
        SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
        SOPInstanceUID,
        PatientName: 'Secret^Name',
        StudyInstanceUID: '1.2.3',
        SeriesInstanceUID: '1.2.3.1',
        PixelData: new Uint8Array(pixelBytes),
      }),
      { implementationClassUid: '1.2.3' },
    ),
  );
