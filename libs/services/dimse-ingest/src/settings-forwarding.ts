import { flag, wholeNumber } from '@callosum/config';
import { isAeTitle } from '@callosum/dimse';
import { isUid } from '@callosum/kernel';
import { z } from 'zod';

import { modalityClasses } from './domain/modality-classes.js';

/** A title or the name of an HTTP sender ("principal:…", 64 bytes), with `*`; no control characters. */
const source = z
  .string()
  .min(1)
  .max(80)
  .regex(/^[^\p{Cc}\p{Cs}]+$/u);
const sources = z.array(source).max(100);

/** A forwarding rule as people write it, in the setting and over HTTP. */
export const forwardingRuleInput = z.strictObject({
  sources: sources.min(1).default(['*']),
  exceptSources: sources.default([]),
  sopClasses: z
    .array(z.string().refine((one) => isUid(one) || modalityClasses.includes(one)))
    .max(200)
    .default([]),
  destination: z.string().refine(isAeTitle),
  transcode: z.boolean().default(true),
});
export type ForwardingRuleInput = z.output<typeof forwardingRuleInput>;

/** Of the setting, and of the table. */
export const forwardingRulesMax = 200;

export const forwardingSettings = {
  CALLOSUM_DIMSE_FORWARDING: z
    .string()
    .default('[]')
    .transform((text, context) => {
      try {
        return z.array(forwardingRuleInput).max(forwardingRulesMax).parse(JSON.parse(text));
      } catch {
        context.addIssue({
          code: 'custom',
          message: 'must be a JSON array of rules, e.g. [{"sources":["CT*"],"sopClasses":["CT"],"destination":"PACS"}]',
        });
        return z.NEVER;
      }
    })
    .describe(
      'Forwarding rules that are always there, beside those of /api/dimse/forwarding-rules: a JSON array of {destination, sources, exceptSources, sopClasses, transcode}; see the platform guide',
    ),
  CALLOSUM_FORWARD_ASSOCIATIONS: wholeNumber(1, 16)
    .default(1)
    .describe(
      'Associations that send to one destination of forwarding at the same time, over all replicas; many nodes take one only',
    ),
  CALLOSUM_FORWARD_IDLE_MS: wholeNumber(0, 600_000)
    .default(5_000)
    .describe(
      'An association to a destination of forwarding that has nothing to send is released after this, in milliseconds; until then its replica alone sends there, where CALLOSUM_FORWARD_ASSOCIATIONS is 1',
    ),
  CALLOSUM_FORWARD_RECOVERED: flag()
    .default(false)
    .describe(
      'Whether the rules send on also what `callosum reindex` recovers from the object store: after a lost database, perhaps the whole archive, to nodes that have it',
    ),
  CALLOSUM_FORWARD_RETENTION_DAYS: wholeNumber(1, 365)
    .default(14)
    .describe(
      'What was forwarded is remembered for this many days, so that a fact told again is not sent again; what failed stays until a person retries or drops it',
    ),
} as const;
