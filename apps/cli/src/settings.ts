import { z } from 'zod';

/** What the command line reads of the environment, beside the CALLOSUM_AUTH_* settings of every service. */
export const cliSettings = z.object({
  CALLOSUM_DATA_DIR: z
    .string()
    .default('.callosum')
    .describe('Data folder of the embedded system that is asked when no address is given'),
  CALLOSUM_STUDY_INDEX_GRPC: z.string().optional().describe('Where study-index answers: host:port or unix:PATH'),
  CALLOSUM_INFERENCE_GRPC: z
    .string()
    .optional()
    .describe('Where inference-orchestrator answers: host:port or unix:PATH'),
  CALLOSUM_SERVICES_GRPC: z
    .string()
    .optional()
    .describe('Where services answer: SERVICE=ADDRESS, comma-separated; the two above go before it'),
  CALLOSUM_TOKEN: z
    .string()
    .optional()
    .describe('Access token of a person with the role operator, shown instead of what proves a service'),
});
export type CliSettings = z.output<typeof cliSettings>;
