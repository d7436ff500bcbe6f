import { z } from 'zod';

import { readOrigins } from './domain/origins.js';

/** The viewer, and what is the same for all resources. */
export const doorSettings = {
  CALLOSUM_VIEWER_DIR: z
    .string()
    .default('.tools/ohif-3.13.2')
    .describe('Folder of the built OHIF viewer served at /viewer; without it /viewer answers 503'),
  CALLOSUM_CORS_ORIGINS: z
    .string()
    .optional()
    .transform((text, context): readonly string[] | undefined => {
      if (text === undefined) return undefined;
      const read = readOrigins(text);
      if ('origins' in read) return read.origins;
      context.addIssue({ code: 'custom', message: read.problem });
      return z.NEVER;
    })
    .describe(
      'Origins whose pages may read /dicom-web, with commas, such as https://viewer.example; none when not set. Without TLS (http) only loopback ones; "*" is refused',
    ),
};
