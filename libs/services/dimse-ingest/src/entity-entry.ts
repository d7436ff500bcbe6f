import { z } from 'zod';

import { isHost } from './adapters/network-addresses.js';
import type { ApplicationEntity } from './domain/application-entity.js';
import { isPasscodeHash } from './domain/passcode.js';
import { permissions } from './domain/permission.js';

/**
 * AE titles: 1 to 16 characters of the default repertoire, no backslash, no control characters (PS3.5 section 6.2).
 * Spaces around one are not part of it, and would never be met.
 */
export const aeTitle = /^(?! )[\x20-\x5b\x5d-\x7e]{1,16}(?<! )$/;
/** PS3.5 section 9.1. */
export const uid = /^(?=.{1,64}$)(0|[1-9]\d*)(\.(0|[1-9]\d*))+$/;

/** No control characters, line separators or lone surrogates. */
const oneLine = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]*$/u;
const text = (most: number): z.ZodString => z.string().min(1).max(most).regex(oneLine);
const fingerprint = /^[0-9a-f]{2}(:?[0-9a-f]{2}){31}$/i;

const tls = z.strictObject({
  required: z.boolean().default(true),
  call: z.boolean().default(true),
  fingerprint: z.string().regex(fingerprint).optional(),
  subject: text(500).optional(),
  dnsName: text(253).optional(),
  serverName: text(253).optional(),
});

const fields = {
  aet: z.string().regex(aeTitle),
  host: z.string().max(253).refine(isHost),
  port: z.number().int().min(1).max(65_535).optional(),
  description: text(200).optional(),
  tls: tls.optional(),
  associationsMax: z.number().int().min(1).max(1_000).optional(),
  requestsPerSecondMax: z.number().min(0.1).max(10_000).optional(),
  may: z.array(z.enum(permissions)).max(permissions.length).optional(),
  transferSyntaxUids: z.array(z.string().regex(uid)).max(64).optional(),
  retrieve: z.enum(['move', 'get']).optional(),
};
const name = text(100);
const passcodeHash = z.string().refine(isPasscodeHash).optional();
const usersMax = 100;
const each = <T extends z.ZodType<{ name: string }>>(user: T) =>
  z
    .array(user)
    .max(usersMax)
    .refine((users) => new Set(users.map((one) => one.name)).size === users.length)
    .optional();

/** An AE as it stands in the setting and in the table; a word nobody reads is refused, for it may be meant to protect. */
export const entityEntry: z.ZodType<ApplicationEntity> = z.strictObject({
  ...fields,
  users: each(z.strictObject({ name, passcodeHash })),
});

/** An AE as people send it. What an answer says beside is passed over, so that an answer can be sent back changed. */
export const entityRequest = z.strictObject({
  ...fields,
  users: each(
    z
      .strictObject({ name, passcodeHash, passcode: text(200).optional(), passcodeSet: z.boolean().optional() })
      .refine(({ passcode, passcodeHash: hash }) => passcode === undefined || hash === undefined),
  ),
  origin: z.unknown().optional(),
  changedAt: z.unknown().optional(),
  changedBy: z.unknown().optional(),
});

/** Members that are wrong, never their values. */
export const wrongMembers = (error: z.ZodError): string =>
  [
    ...new Set(
      error.issues.map((issue) =>
        [...issue.path, ...(issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 5) : [])].join('.'),
      ),
    ),
  ]
    .map((path) => path || 'body')
    .join(', ');
