import type { CertificateFiles } from '@callosum/auth';
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
  localLimitExceeded,
  rejectionText,
  type ScpServer,
  type ScpServerOptions,
} from '@callosum/dimse';
import { DRAIN, type Drain, LOGGER, SETTINGS } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  type OnApplicationBootstrap,
  Optional,
} from '@nestjs/common';

import { type Admitted, AdmitPeer } from '../../application/admit-peer.js';
import type { EntityDirectory } from '../../application/entity-ports.js';
import { AnnounceRelease } from '../../application/announce-release.js';
import { StoreInstance } from '../../application/store-instance.js';
import { assertDimseBind, type DimseIngestSettings } from '../../settings.js';
import { limitsOf } from '../../settings-peers.js';
import { DIMSE_CERTIFICATES, DIMSE_SERVICES, ENTITY_DIRECTORY } from '../../tokens.js';
import { policyFor } from './association-policy.js';
import { AssociationSession } from './association-session.js';
import type { DimseService } from './dimse-service.js';
import { DimseMetrics } from './metrics.js';
import { PeerLimits } from './peer-limits.js';
import { rejectionOf } from './rejections.js';
import { serviceRequests } from './service-requests.js';
import { slowed } from './slowed.js';
import { dimseTlsServer } from './tls-server.js';

/** The DIMSE ports, plain and with TLS: C-ECHO and C-STORE, and the services of this node. */
@Injectable()
export class DimseListener implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #metrics = new DimseMetrics();
  readonly #limits: PeerLimits;
  #plain: ScpServer | undefined;
  #secure: ScpServer | undefined;
  readonly #accepted = new Map<AcceptedAssociation, { readonly info: AssociationInfo; readonly admitted: Admitted }>();
  #stopRenewing: (() => void) | undefined;
  #closing: Promise<unknown> | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: DimseIngestSettings,
    @Inject(StoreInstance) private readonly storeInstance: StoreInstance,
    @Inject(AnnounceRelease) private readonly announceRelease: AnnounceRelease,
    @Inject(AdmitPeer) private readonly admitPeer: AdmitPeer,
    @Inject(DIMSE_SERVICES) private readonly services: readonly DimseService[],
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(DRAIN) private readonly drain: Drain,
    @Inject(ENTITY_DIRECTORY) entities: Pick<EntityDirectory, 'onChanged'>,
    @Optional() @Inject(DIMSE_CERTIFICATES) private readonly certificates?: CertificateFiles,
  ) {
    entities.onChanged(() => void this.#admitAnew());
    this.#limits = new PeerLimits(
      settings.CALLOSUM_DIMSE_ASSOCIATIONS_MAX,
      settings.CALLOSUM_DIMSE_AE_ASSOCIATIONS_MAX,
    );
  }

  /** The port that listens; another than the setting's when that is 0. */
  get port(): number {
    return this.#plain?.port ?? 0;
  }

  /** The one with TLS. */
  get tlsPort(): number {
    return this.#secure?.port ?? 0;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { settings } = this;
    const { CALLOSUM_DIMSE_HOST: host, CALLOSUM_DIMSE_AE: aet, CALLOSUM_DIMSE_TLS: tls } = settings;
    assertDimseBind(settings);
    this.drain.onBegin(() => void this.#close());
    if (settings.CALLOSUM_DIMSE_PLAIN) {
      this.#plain = await createScpServer(this.#options(settings.CALLOSUM_DIMSE_PORT));
      this.logger.info({ host, port: this.port, aet }, 'dimse.listening');
    }
    if (tls !== 'off' && this.certificates) {
      const onRenewed = (): void => this.logger.info({ port: this.tlsPort }, 'dimse.certificate-renewed');
      const { server, stop } = dimseTlsServer(tls, this.certificates, onRenewed);
      this.#stopRenewing = stop;
      this.#secure = await createScpServer({ ...this.#options(settings.CALLOSUM_DIMSE_TLS_PORT), server });
      this.logger.info({ host, port: this.tlsPort, aet, tls }, 'dimse.listening');
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#close();
  }

  #options(port: number): ScpServerOptions {
    return {
      host: this.settings.CALLOSUM_DIMSE_HOST,
      port,
      onAssociation: (association, gone) => this.#accept(association, gone),
      onRejected: (association, rejection) => void this.#refusedByLimit(association, rejection),
      onBadConnection: (remoteAddress, code) => {
        this.logger.debug({ remoteAddress, code }, 'assoc.none');
        this.#metrics.connectionFailed(code);
      },
      onError: (err) => this.logger.error({ err }, 'dimse.failed'),
      limits: limitsOf(this.settings),
    };
  }

  /** Entries of AEs have changed: whoever would not be let in any more, or with other rights, calls again or not at all. */
  async #admitAnew(): Promise<void> {
    for (const association of this.#accepted.keys()) await this.#admitAgain(association);
  }

  async #admitAgain(association: AcceptedAssociation): Promise<void> {
    const accepted = this.#accepted.get(association);
    if (!accepted) return;
    // Addresses that cannot be looked up now say nothing.
    const stays = await this.admitPeer.stillAdmits(accepted.info, accepted.admitted).catch(() => true);
    if (!stays) association.abort('dimse.no-longer-admitted');
  }

  /** No new associations from now on; open ones have what is left of the grace. */
  #close(): Promise<unknown> {
    this.#stopRenewing?.();
    const open = [this.#plain, this.#secure].filter((server) => server !== undefined);
    return (this.#closing ??= Promise.all(open.map((server) => server.close(this.drain.remainingMs))));
  }

  async #accept(association: AssociationInfo, gone: AbortSignal): Promise<AssociationDecision> {
    const { callingAet } = association;
    if (association.calledAet !== this.settings.CALLOSUM_DIMSE_AE)
      return this.#rejected(association, calledAetNotRecognized, 'called-aet');
    if (!isAeTitle(callingAet)) return this.#rejected(association, callingAetNotRecognized, 'no-ae-title');
    const admission = await this.admitPeer.execute(
      association,
      (entity) => this.#limits.enter(callingAet, entity),
      gone,
    );
    // Refusals of the title and the address are the same: who guesses titles learns none. The log tells them apart.
    if (!admission.admitted) {
      const { why } = admission;
      return this.#rejected(association, rejectionOf(why), why, why !== 'unknown-aet');
    }
    return this.#open(association, admission, admission.place.leave);
  }

  #open(info: AssociationInfo, admitted: Admitted, leave: () => void): AssociationAcceptance {
    const session = new AssociationSession(info, {
      storeInstance: this.storeInstance,
      announceRelease: this.announceRelease,
      metrics: this.#metrics,
      logger: this.logger,
    });
    let accepted: AcceptedAssociation | undefined;
    const requests = serviceRequests({
      services: this.services,
      association: { info, entityHost: admitted.entity?.host, accepted: () => known(accepted) },
      metrics: this.#metrics,
      parent: session.context,
      onRefused: (operation, status, error) => session.refused(operation, status, error),
    });
    const turn = async (signal: AbortSignal): Promise<void> => {
      const { callingAet } = info;
      if (await this.#limits.turn(callingAet, admitted.entity, signal)) this.#metrics.slowed(callingAet);
    };
    return {
      handler: {
        ...slowed({ ...requests, store: (request) => session.store(request) }, ({ signal }) => turn(signal)),
        echoed: () => session.echoed(),
        refused: (request) => session.refusedUnseen(request),
        ended: (end) => {
          if (accepted) this.#accepted.delete(accepted);
          leave();
          return session.ended(end);
        },
      },
      policy: policyFor(this.services, this.settings, admitted),
      accepted: (association) => {
        accepted = association;
        this.#accepted.set(association, { info, admitted });
        // Its entry may have changed while its user was looked at.
        void this.#admitAgain(association);
      },
    };
  }

  #refusedByLimit(association: AssociationInfo, rejection: AssociationRejection): void {
    this.#rejected(association, rejection, rejection === localLimitExceeded ? 'associations-max' : 'protocol');
  }

  /** @param known somebody may call with this title */
  #rejected(
    association: AssociationInfo,
    rejection: AssociationRejection,
    why: string,
    known = false,
  ): AssociationRejection {
    const { remoteAddress } = association;
    // Whatever a peer sent in place of a title is for neither logs nor metrics.
    const titleOf = (title: string): string => (isAeTitle(title) ? title : 'invalid');
    const [callingAet, called] = [titleOf(association.callingAet), titleOf(association.calledAet)];
    const reason = rejectionText(rejection.result, rejection.source, rejection.reason);
    this.logger.warn({ aet: callingAet, called, remoteAddress, reason, why }, 'assoc.rejected');
    this.#metrics.rejected(callingAet, why, known);
    return rejection;
  }
}

function known(association: AcceptedAssociation | undefined): AcceptedAssociation {
  if (!association) throw new Error('the association is not accepted yet');
  return association;
}
