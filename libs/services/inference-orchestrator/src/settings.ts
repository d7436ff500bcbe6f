import { assertBindAllowed, port, SettingsError, wholeNumber } from '@callosum/config';
import { z } from 'zod';

const hourMs = 3_600_000;

export const orchestratorSettings = z.object({
  CALLOSUM_GRPC_HOST: z.string().default('127.0.0.1').describe('Address the worker gRPC port binds to'),
  CALLOSUM_GRPC_PORT: port().default(50_051).describe('gRPC port AI workers connect to'),
  CALLOSUM_AUTH_WORKERS: z
    .enum(['none', 'credential'])
    .default('none')
    .describe(
      'Whether workers must show a credential, issued for their vendor by `npx callosum workers issue`; `none` on loopback only',
    ),
  CALLOSUM_AUTH_WORKER_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe(
      'Certificate of the worker port (PEM, with its chain), read again when it changes; without TLS on loopback only',
    ),
  CALLOSUM_AUTH_WORKER_TLS_KEY_FILE: z.string().optional().describe('Its private key (PEM)'),
  CALLOSUM_WORKER_HEARTBEAT_MS: wholeNumber(50, 60_000)
    .default(2_000)
    .describe('How often a worker is asked for a sign of life, in milliseconds'),
  CALLOSUM_JOB_LEASE_MS: wholeNumber(100, hourMs)
    .default(10_000)
    .describe(
      'A job whose worker was silent for this long is offered again, for as long again to other workers only, in milliseconds',
    ),
  CALLOSUM_JOB_ATTEMPTS_MAX: wholeNumber(1, 20).default(3).describe('How often a job is offered at most'),
  CALLOSUM_JOB_ATTEMPT_MS_MAX: wholeNumber(100, 24 * hourMs)
    .default(hourMs / 2)
    .describe('One attempt may take this long, whatever its manifest says, in milliseconds'),
  CALLOSUM_WORKER_STREAMS_MAX: wholeNumber(1, 10_000)
    .default(256)
    .describe('Worker streams open at once on one replica; further ones are refused'),
  CALLOSUM_WORKER_STREAMS_OF_VENDOR_MAX: wholeNumber(1, 10_000)
    .default(128)
    .describe("Of these, streams of one vendor's credential: half, so that none shuts out the others"),
  CALLOSUM_MODELS_MAX: wholeNumber(1, 1_000)
    .default(64)
    .describe('Models and versions known at once; each model is considered for every study, further ones are refused'),
  CALLOSUM_MODEL_RETENTION_MS: wholeNumber(hourMs, 365 * 24 * hourMs)
    .default(30 * 24 * hourMs)
    .describe('A model no worker has served for this long gets no more jobs until it registers again, in milliseconds'),
  CALLOSUM_MODEL_BACKFILL_MS: wholeNumber(0, 24 * hourMs)
    .default(600_000)
    .describe('A model that registers for the first time gets studies completed within this time, in milliseconds'),
  CALLOSUM_MODELS_AT_SERIES: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((id) => id.trim())
        .filter((id) => id !== ''),
    )
    .describe(
      'Ids of models, separated by commas, whose jobs start when a series is complete, before its study is; others start with the study',
    ),
  CALLOSUM_DISCONTINUED_STEPS: z
    .enum(['hold', 'run'])
    .default('hold')
    .describe(
      'What becomes of jobs on a study whose procedure step (MPPS) was discontinued, and none completed: `hold` until a later revision has a completed one or a person releases them, or `run`',
    ),
});
export type OrchestratorSettings = z.output<typeof orchestratorSettings>;

/** TLS of the worker port; undefined without. @throws {SettingsError} when only one of the two files is set */
export function workerTls(settings: OrchestratorSettings): { certFile: string; keyFile: string } | undefined {
  const { CALLOSUM_AUTH_WORKER_TLS_CERT_FILE: certFile, CALLOSUM_AUTH_WORKER_TLS_KEY_FILE: keyFile } = settings;
  if (certFile !== undefined && keyFile !== undefined) return { certFile, keyFile };
  if (certFile === undefined && keyFile === undefined) return undefined;
  throw new SettingsError(['CALLOSUM_AUTH_WORKER_TLS_CERT_FILE and CALLOSUM_AUTH_WORKER_TLS_KEY_FILE: set both']);
}

/** @throws {UnauthenticatedBindError} @throws {SettingsError} */
export function assertWorkerBind(settings: OrchestratorSettings): void {
  assertBindAllowed('CALLOSUM_GRPC_HOST', settings.CALLOSUM_GRPC_HOST, {
    on: workerTls(settings) !== undefined && settings.CALLOSUM_AUTH_WORKERS === 'credential',
    needs:
      'CALLOSUM_AUTH_WORKERS=credential, CALLOSUM_AUTH_WORKER_TLS_CERT_FILE and CALLOSUM_AUTH_WORKER_TLS_KEY_FILE (a credential without TLS can be copied)',
  });
}
