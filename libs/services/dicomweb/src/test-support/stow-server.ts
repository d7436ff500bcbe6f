import { Drain, type RunningService, serveHttp } from '@callosum/runtime';
import type { Telemetry } from '@callosum/telemetry';

import { StoreInstances } from '../application/store-instances.js';
import { BODY_BOUNDS, PRINCIPAL_OF } from '../tokens.js';
import { type BodyBounds, bodyBounds } from '../transport/http/request-body.js';
import { StowController } from '../transport/http/stow.controller.js';
import { MemoryIntake } from './memory-intake.js';
import { openDoor } from './nest-door.js';
import { storeLimits } from './store-limits.js';

export interface StowServer {
  readonly port: number;
  /** What has been stored since it was begun anew. */
  readonly intake: MemoryIntake;
  beginAnew(): void;
  close(): Promise<void>;
}

/** STOW-RS behind the HTTP server of a process, as sockets find it. */
export async function openStowServer(bounds: Partial<BodyBounds> = {}): Promise<StowServer> {
  let intake = new MemoryIntake();
  const ofTest: Pick<StoreInstances, 'store'> = {
    store: (asked) => new StoreInstances(intake, storeLimits, () => undefined).store(asked),
  };
  const door = await openDoor(
    [StowController],
    [
      { provide: StoreInstances, useValue: ofTest },
      { provide: PRINCIPAL_OF, useValue: () => undefined },
      { provide: BODY_BOUNDS, useValue: { ...bodyBounds, ...bounds } },
    ],
  );
  const service = { httpPrefixes: ['/dicom-web'], handle: door.handle } as unknown as RunningService;
  const server = await serveHttp({
    host: '127.0.0.1',
    port: 0,
    telemetry: {} as Telemetry,
    publicUrl: 'http://here/',
    authenticated: false,
    metrics: false,
    services: () => [service],
    started: () => true,
    drain: new Drain(0),
  });
  return {
    port: server.port,
    get intake() {
      return intake;
    },
    beginAnew: () => void (intake = new MemoryIntake()),
    close: async () => {
      await server.close();
      await door.close();
    },
  };
}
