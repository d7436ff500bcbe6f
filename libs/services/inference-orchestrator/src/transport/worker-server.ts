import { tlsServerCredentials } from '@callosum/auth';
import { worker } from '@callosum/contracts';
import { DRAIN, type Drain, LOGGER, SETTINGS } from '@callosum/runtime';
import { grpcServerMiddleware, type Logger } from '@callosum/telemetry';
import { type BeforeApplicationShutdown, Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { createServer, type Server } from 'nice-grpc';

import type { Credentials } from '../application/credential-ports.js';
import { assertWorkerBind, type OrchestratorSettings, workerTls } from '../settings.js';
import { CREDENTIALS, service } from '../tokens.js';
import { workerAuth } from './worker-auth.js';
import { WorkerGrpc } from './worker.grpc.js';

/** A label map's chunk is at most 1 MiB, a result 500 kB: twice the larger. */
const messageBytesMax = 2 * 1024 * 1024;
/** A silent connection is asked for a sign of life, and dropped without one: half-open streams hold no slot. */
const keepaliveMs = 10_000;

/** The port vendors' workers dial: a server of its own, apart from the services' internal one. */
@Injectable()
export class WorkerServer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private server: Server | undefined;
  private boundPort: number | undefined;

  constructor(
    @Inject(WorkerGrpc) private readonly workers: WorkerGrpc,
    @Inject(SETTINGS) private readonly settings: OrchestratorSettings,
    @Inject(CREDENTIALS) private readonly credentials: Credentials,
    @Inject(LOGGER) private readonly log: Logger,
    @Inject(DRAIN) private readonly drain: Drain,
  ) {}

  /** Undefined until it listens. */
  get port(): number | undefined {
    return this.boundPort;
  }

  async onApplicationBootstrap(): Promise<void> {
    const { CALLOSUM_GRPC_HOST: host, CALLOSUM_GRPC_PORT: port } = this.settings;
    assertWorkerBind(this.settings);
    const required = this.settings.CALLOSUM_AUTH_WORKERS === 'credential';
    const tls = workerTls(this.settings);
    const failures = {
      failed: (err: unknown, path: string): void => this.log.warn({ err, path }, 'worker.call-failed'),
      refused: (code: string, path: string): void => this.log.info({ code, path }, 'worker.call-refused'),
    };
    const server = createServer({
      'grpc.max_receive_message_length': messageBytesMax,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': keepaliveMs,
    })
      .use(grpcServerMiddleware(service, failures))
      .use(workerAuth(this.credentials, required, this.log));
    server.add(worker.WorkerServiceDefinition, this.workers);
    this.boundPort = await server.listen(`${host}:${port}`, tls && tlsServerCredentials(tls));
    this.server = server;
    this.log.info({ port: this.boundPort, tls: tls !== undefined, credentials: required }, 'worker.listening');
    this.drain.onBegin(() => this.workers.drain());
  }

  async beforeApplicationShutdown(): Promise<void> {
    const { server } = this;
    if (!server) return;
    this.server = undefined;
    this.workers.drain();
    // Volumes being read and masks being written may come to their end.
    await this.drain.within(server.shutdown(), () => server.forceShutdown());
  }
}
