import { z } from 'zod';

/** What a worker built on this SDK reads of the environment. */
export const workerSettings = z.object({
  CALLOSUM_WORKER_TARGET: z
    .string()
    .default('127.0.0.1:50051')
    .describe('Where the worker port answers: host:port, `https://host:port` for TLS'),
  CALLOSUM_WORKER_TOKEN: z
    .string()
    .optional()
    .describe('Credential the site issued for your vendor; sent with every call'),
  GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: z
    .string()
    .optional()
    .describe("PEM file of the authorities the worker port's certificate comes from; Mozilla's when not set"),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .string()
    .optional()
    .describe('Base URL of an OTLP/HTTP collector for traces; none are exported without it'),
});
export type WorkerSettings = z.output<typeof workerSettings>;

/** The environment as a worker reads it; a variable set to nothing counts as not set. */
export function readWorkerSettings(env: NodeJS.ProcessEnv = process.env): WorkerSettings {
  return workerSettings.parse(Object.fromEntries(Object.entries(env).filter(([, value]) => value !== '')));
}
