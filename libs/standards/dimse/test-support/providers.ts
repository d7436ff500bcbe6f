import {
  type AssociationEnd,
  type AssociationInfo,
  createScpServer,
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
}

/** A provider that keeps what it gets in memory. */
export async function startProvider(
  options: Partial<ScpServerOptions> = {},
  store?: (request: StoreRequest) => Promise<StoreAnswer>,
): Promise<Provider> {
  const kept = {
    associations: [] as AssociationInfo[],
    ends: [] as AssociationEnd[],
    errors: [] as unknown[],
    bad: [] as string[],
    stored: [] as Provider['stored'],
    failedStores: [] as unknown[],
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
      return { store: store ?? collect, ended: (end) => void kept.ends.push(end) };
    },
    onError: (error) => kept.errors.push(error),
    onBadConnection: (_address, code) => kept.bad.push(code),
    ...options,
  });
  return { server, port: server.port, ...kept };
}

/** Waits until `condition` holds; fails after five seconds. */
export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not happen within five seconds');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
