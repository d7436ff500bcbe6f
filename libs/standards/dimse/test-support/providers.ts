import {
  type AcceptancePolicy,
  type AcceptedAssociation,
  type AssociationEnd,
  type AssociationInfo,
  chooseMessageSyntax,
  createScpServer,
  type RequestHandler,
  type ScpServer,
  type ScpServerOptions,
  type StoreAnswer,
  type StoreRequest,
  StoreStatus,
} from '../src/index.js';

export interface Provider {
  readonly server: ScpServer;
  readonly port: number;
  readonly associations: AssociationInfo[];
  readonly ends: AssociationEnd[];
  readonly errors: unknown[];
  readonly bad: string[];
  readonly stored: { request: StoreRequest; bytes: Buffer }[];
  readonly failedStores: unknown[];
  /** Those that were accepted, in their order. */
  readonly accepted: AcceptedAssociation[];
}

export interface ProviderServices {
  readonly handler: RequestHandler;
  readonly policy?: AcceptancePolicy;
}

/** A provider that keeps what it gets in memory. */
export async function startProvider(
  options: Partial<ScpServerOptions> = {},
  store?: (request: StoreRequest) => Promise<StoreAnswer>,
  services?: ProviderServices,
): Promise<Provider> {
  const kept = {
    associations: [] as AssociationInfo[],
    ends: [] as AssociationEnd[],
    errors: [] as unknown[],
    bad: [] as string[],
    stored: [] as Provider['stored'],
    failedStores: [] as unknown[],
    accepted: [] as AcceptedAssociation[],
  };
  const collect = async (request: StoreRequest): Promise<StoreAnswer> => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request.dataset) chunks.push(chunk as Buffer);
    } catch (error) {
      kept.failedStores.push(error);
      throw error;
    }
    kept.stored.push({ request, bytes: Buffer.concat(chunks) });
    return { status: StoreStatus.Success };
  };
  const server = await createScpServer({
    host: '127.0.0.1',
    port: 0,
    onAssociation: (info) => {
      kept.associations.push(info);
      return {
        handler: { store: store ?? collect, ...services?.handler, ended: (end) => void kept.ends.push(end) },
        ...(services?.policy ? { policy: services.policy } : {}),
        accepted: (association) => void kept.accepted.push(association),
      };
    },
    onError: (error) => kept.errors.push(error),
    onBadConnection: (_address, code) => kept.bad.push(code),
    ...options,
  });
  return { server, port: server.port, ...kept };
}

/** Accepts any abstract syntax in any role; those of `storage` for C-STORE. */
export function openPolicy(storage: readonly string[], more: Partial<AcceptancePolicy> = {}): AcceptancePolicy {
  return {
    accept: ({ abstractSyntaxUid, transferSyntaxUids }) => {
      const isStorage = storage.includes(abstractSyntaxUid);
      return {
        transferSyntaxUid: isStorage ? transferSyntaxUids[0] : chooseMessageSyntax(transferSyntaxUids),
        storage: isStorage,
        requestorRoles: { scu: true, scp: true },
      };
    },
    ...more,
  };
}

/** Waits until `condition` holds; fails after five seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not happen within five seconds');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
