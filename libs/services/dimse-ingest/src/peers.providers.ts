import { type Authenticator, CertificateFiles, type CertificateFilesError, certificateRefreshMs } from '@callosum/auth';
import type { Database } from '@callosum/database';
import { tlsProfile } from '@callosum/dimse';
import type { Clock } from '@callosum/kernel';
import { AUTHENTICATOR, CLOCK, DATABASE, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import type { Provider } from '@nestjs/common';

import { DimseEcho } from './adapters/dimse-echo.js';
import type { EntityTables } from './adapters/entity-tables.js';
import { LiveEntities } from './adapters/live-entities.js';
import { NetworkAddresses } from './adapters/network-addresses.js';
import { PeerOptions } from './adapters/peer-options.js';
import { PostgresEntities } from './adapters/postgres-entities.js';
import { AuthenticatedTokens } from './adapters/token-permissions.js';
import { AdmitPeer } from './application/admit-peer.js';
import { CheckUserIdentity } from './application/check-user-identity.js';
import { EchoEntity } from './application/echo-entity.js';
import type { EntityTable } from './application/entity-ports.js';
import { ManageEntities } from './application/manage-entities.js';
import type { DimseIngestSettings } from './settings.js';
import { certificateFilesOf } from './settings-peers.js';
import { APPLICATION_ENTITIES, DIMSE_CERTIFICATES, ENTITY_DIRECTORY, ENTITY_TABLE } from './tokens.js';
import { EntityDirectoryLoop } from './transport/entity-directory.loop.js';

/** Who the other nodes are, whether they may call, and how we call them. */
export const peerProviders: Provider[] = [
  {
    provide: ENTITY_TABLE,
    useFactory: (database: Database<EntityTables>, log: Logger) =>
      new PostgresEntities(database, (aet) => log.error({ aet }, 'ae.unreadable')),
    inject: [DATABASE, LOGGER],
  },
  {
    provide: ENTITY_DIRECTORY,
    useFactory: ({ CALLOSUM_DIMSE_AES }: DimseIngestSettings, table: EntityTable) =>
      new LiveEntities(CALLOSUM_DIMSE_AES, table),
    inject: [SETTINGS, ENTITY_TABLE],
  },
  { provide: APPLICATION_ENTITIES, useExisting: ENTITY_DIRECTORY },
  EntityDirectoryLoop,
  {
    provide: ManageEntities,
    useFactory: (settings: DimseIngestSettings, table: EntityTable, directory: LiveEntities) => {
      const usersIgnored = settings.CALLOSUM_DIMSE_USER_IDENTITY === 'ignored';
      return new ManageEntities(settings.CALLOSUM_DIMSE_AES, table, directory, usersIgnored);
    },
    inject: [SETTINGS, ENTITY_TABLE, ENTITY_DIRECTORY],
  },
  {
    provide: AdmitPeer,
    useFactory: (settings: DimseIngestSettings, entities: LiveEntities, authenticator: Authenticator, clock: Clock) => {
      const { CALLOSUM_DIMSE_USER_IDENTITY: policy, CALLOSUM_DIMSE_IDENTITY_IN_CLEAR: inClear } = settings;
      const identities = new CheckUserIdentity(policy, new AuthenticatedTokens(authenticator), inClear);
      return new AdmitPeer(entities, new NetworkAddresses(clock), identities);
    },
    inject: [SETTINGS, ENTITY_DIRECTORY, AUTHENTICATOR, CLOCK],
  },
  {
    provide: DIMSE_CERTIFICATES,
    useFactory: (settings: DimseIngestSettings, log: Logger) => {
      const files = certificateFilesOf(settings);
      const unusable = (err: CertificateFilesError): void =>
        log.error({ err, code: err.code }, 'dimse.certificate-unusable');
      return files && new CertificateFiles(files, unusable, certificateRefreshMs, tlsProfile);
    },
    inject: [SETTINGS, LOGGER],
  },
  {
    provide: PeerOptions,
    useFactory: ({ CALLOSUM_DIMSE_AE }: DimseIngestSettings, certificates?: CertificateFiles) =>
      new PeerOptions(CALLOSUM_DIMSE_AE, certificates),
    inject: [SETTINGS, DIMSE_CERTIFICATES],
  },
  {
    provide: EchoEntity,
    useFactory: (entities: LiveEntities, peers: PeerOptions) => new EchoEntity(entities, new DimseEcho(peers)),
    inject: [ENTITY_DIRECTORY, PeerOptions],
  },
];
