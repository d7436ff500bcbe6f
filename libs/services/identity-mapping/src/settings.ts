import { z } from 'zod';

const issuers = z.record(z.string().min(1).max(64), z.string().min(1).max(256));

export const identitySettings = z.object({
  CALLOSUM_IDENTITY_ISSUERS: z
    .string()
    .default('{}')
    .transform((text, context) => {
      try {
        return issuers.parse(JSON.parse(text));
      } catch {
        context.addIssue({
          code: 'custom',
          message: 'must be a JSON object of source to issuer, e.g. {"CT1":"HOSPITAL"}',
        });
        return z.NEVER;
      }
    })
    .describe(
      'Issuer of Patient IDs by source (calling AE title or HTTP source) that states none: a JSON object; an issuer is a URI, an OID or a local name',
    ),
});
export type IdentitySettings = z.output<typeof identitySettings>;
