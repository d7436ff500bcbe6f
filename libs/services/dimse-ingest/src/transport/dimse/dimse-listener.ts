import {
  type AcceptedAssociation,
  type AssociationAcceptance,
  type AssociationDecision,
  type AssociationInfo,
  type AssociationRejection,
  calledAetNotRecognized,
  callingAetNotRecognized,
  createScpServer,
  isAeTitle,
  rejectionText,
  type ScpServer,
} from '@callosum/dimse';
import { DRAIN, type Drain, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';

import { AdmitPeer } from '../../application/admit-peer.js';
import { AnnounceRelease } from '../../application/announce-release.js';
import { StoreInstance } from '../../application/store-instance.js';
import { assertDimseBind, type DimseIngestSettings } from '../../settings.js';
import { DIMSE_SERVICES } from '../../tokens.js';
import { acceptanceOf } from './acceptance.js';
import { AssociationSession } from './association-session.js';
import type { DimseService } from './dimse-service.js';
import { DimseMetrics } from './metrics.js';
import { serviceRequests } from './service-requests.js';

/** The DIMSE port: C-ECHO and C-STORE, and the services of this node. */
@Injectable()
export class DimseListener implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #metrics = new DimseMetrics();
  #server: ScpServer | undefined;
  #closing: Promise<void> | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(StoreInstance) private readonly storeInstance: StoreInstance,
    @Inject(AnnounceRelease) private readonly announceRelease: AnnounceRelease,
    @Inject(AdmitPeer) private readonly admitPeer: AdmitPeer,
    @Inject(DIMSE_SERVICES) private readonly services: readonly DimseService[],
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(DRAIN) private readonly drain: Drain,
  ) {}

  /** The port that listens; another than the setting's when that is 0. */
  get port(): number {
    return this.#server?.port ?? 0;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { CALLOSUM_DIMSE_HOST: host, CALLOSUM_DIMSE_PORT: port, CALLOSUM_DIMSE_AE: aet } = this.settings;
    assertDimseBind(this.settings);
    this.#server = await createScpServer({
      host,
      port,
      onAssociation: (association) => this.#accept(association),
      onRejected: (association, rejection) => void this.#rejected(association, rejection),
      onBadConnection: (remoteAddress, code) => this.logger.debug({ remoteAddress, code }, 'assoc.none'),
      onError: (err) => this.logger.error({ err }, 'dimse.failed'),
      limits: {
        associationsMax: this.settings.CALLOSUM_DIMSE_ASSOCIATIONS_MAX,
        idleTimeoutMs: this.settings.CALLOSUM_DIMSE_IDLE_TIMEOUT_MS,
      },
    });
    this.logger.info({ host, port: this.port, aet }, 'dimse.listening');
    this.drain.onBegin(() => void this.#close());
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#close();
  }

  /** No new associations from now on; open ones have what is left of the grace. */
  #close(): Promise<void> {
    return (this.#closing ??= this.#server?.close(this.drain.remainingMs) ?? Promise.resolve());
  }

  async #accept(association: AssociationInfo): Promise<AssociationDecision> {
    if (association.calledAet !== this.settings.CALLOSUM_DIMSE_AE)
      return this.#rejected(association, calledAetNotRecognized);
    if (!isAeTitle(association.callingAet)) return this.#rejected(association, callingAetNotRecognized, 'no-ae-title');
    const admission = await this.admitPeer.execute(association.callingAet, association.remoteAddress);
    // The same answer for both: who guesses titles learns none. The log tells them apart.
    if (admission !== 'admitted') return this.#rejected(association, callingAetNotRecognized, admission);
    return this.#open(association);
  }

  #open(info: AssociationInfo): AssociationAcceptance {
    const session = new AssociationSession(info, {
      storeInstance: this.storeInstance,
      announceRelease: this.announceRelease,
      metrics: this.#metrics,
      logger: this.logger,
    });
    let accepted: AcceptedAssociation | undefined;
    const requests = serviceRequests({
      services: this.services,
      association: { info, accepted: () => known(accepted) },
      metrics: this.#metrics,
      parent: session.context,
      onRefused: (operation, status, error) => session.refused(operation, status, error),
    });
    return {
      handler: {
        ...requests,
        store: (request) => session.store(request),
        echoed: () => session.echoed(),
        ended: (end) => session.ended(end),
      },
      policy: acceptanceOf(this.services),
      accepted: (association) => (accepted = association),
    };
  }

  #rejected(association: AssociationInfo, rejection: AssociationRejection, why?: string): AssociationRejection {
    const { calledAet, remoteAddress } = association;
    // Whatever a peer sent in place of a title is for neither logs nor metrics.
    const callingAet = isAeTitle(association.callingAet) ? association.callingAet : 'invalid';
    const reason = rejectionText(rejection.result, rejection.source, rejection.reason);
    this.logger.warn({ aet: callingAet, called: calledAet, remoteAddress, reason, why }, 'assoc.rejected');
    this.#metrics.rejected(callingAet);
    return rejection;
  }
}

function known(association: AcceptedAssociation | undefined): AcceptedAssociation {
  if (!association) throw new Error('the association is not accepted yet');
  return association;
}
