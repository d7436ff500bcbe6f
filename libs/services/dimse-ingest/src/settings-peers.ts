import type { TlsFiles } from '@callosum/auth';
import { flag, port, SettingsError, wholeNumber } from '@callosum/config';
import { dicomTlsPort, type ScpLimits, scpLimits } from '@callosum/dimse';
import { z } from 'zod';

import { type ApplicationEntity, namesUsers } from './domain/application-entity.js';
import { aeTitle, entityEntry, uid, wrongMembers } from './entity-entry.js';

const kib = 1024;
const mib = 1024 * kib;
const gib = 1024 * mib;
const hourMs = 3_600_000;

/** UIDs with commas between them. */
const uids = (most: number) =>
  z
    .string()
    .default('')
    .transform((text, context): readonly string[] => {
      const list = text.split(',').flatMap((one) => one.trim() || []);
      if (list.length <= most && list.every((one) => uid.test(one))) return list;
      context.addIssue({ code: 'custom', message: `must be UIDs with commas between them, at most ${most}` });
      return z.NEVER;
    });

const knownAes = z
  .string()
  .default('[]')
  .transform((text, context): readonly ApplicationEntity[] => {
    const refused = (why: string): never => {
      context.addIssue({
        code: 'custom',
        message: `must be a JSON array of AEs, e.g. [{"aet":"CT1","host":"10.1.2.0/24","port":104}]${why}`,
      });
      return z.NEVER;
    };
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return refused('');
    }
    const parsed = z.array(entityEntry).max(10_000).safeParse(json);
    return parsed.success ? [...parsed.data] : refused(`; not usable: ${wrongMembers(parsed.error).slice(0, 200)}`);
  });

/** Settings of who may call, how it is protected, and what one peer may make us hold. */
export const peerSettings = {
  CALLOSUM_DIMSE_AE: z
    .string()
    .regex(aeTitle)
    .default('CALLOSUM')
    .describe('AE title senders must call; any other is rejected (1/1/7)'),
  CALLOSUM_DIMSE_AES: knownAes.describe(
    'AEs that may call: a JSON array of {aet, host, port, …}; host is an address, a network (CIDR) or a DNS name, and the AE may call from nowhere else; others are rejected (1/1/3). The guide for platform teams lists the members. `/api/dimse/aes` keeps others beside them. None at all lets every AE in, on loopback only',
  ),
  CALLOSUM_DIMSE_PLAIN: flag().default(true).describe('Whether the port without TLS is open'),
  CALLOSUM_DIMSE_TLS: z
    .enum(['off', 'on', 'mutual'])
    .default('off')
    .describe(
      'DICOM TLS (PS3.15 B.12: TLS 1.3, and 1.2 with AEAD suites) on a port of its own: `on` shows a certificate, `mutual` asks every peer for one of CALLOSUM_DIMSE_TLS_CA_FILE, too',
    ),
  CALLOSUM_DIMSE_TLS_PORT: port().default(dicomTlsPort).describe('DIMSE port with TLS, at CALLOSUM_DIMSE_HOST'),
  CALLOSUM_DIMSE_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe(
      "This node's certificate for DICOM (PEM, with its chain), shown to whoever calls and to AEs called over TLS; read again when it changes",
    ),
  CALLOSUM_DIMSE_TLS_KEY_FILE: z.string().optional().describe('Its private key (PEM)'),
  CALLOSUM_DIMSE_TLS_CA_FILE: z
    .string()
    .optional()
    .describe('Authorities that certify peers (PEM); for AEs that are called, those Node.js knows when not set'),
  CALLOSUM_DIMSE_USER_IDENTITY: z
    .enum(['ignored', 'optional', 'required'])
    .default('ignored')
    .describe(
      'User identity (PS3.7 D.3.3.7): `optional` checks one that is sent, `required` rejects associations without (1/1/1). Names and passcodes are those of the AE, a JSON web token is checked as those of HTTP callers; Kerberos and SAML are refused',
    ),
  CALLOSUM_DIMSE_IDENTITY_IN_CLEAR: flag()
    .default(false)
    .describe('Whether passcodes and tokens are taken without TLS, too: whoever reads packets can use them'),
  CALLOSUM_DIMSE_TRANSFER_SYNTAXES: uids(64).describe(
    'Transfer syntaxes in which objects are taken where a sender proposes several, the best first, UIDs with commas between them; otherwise as the sender holds them. An AE may have an order of its own',
  ),
  CALLOSUM_DIMSE_PRIVATE_SOP_CLASSES: uids(1_000).describe(
    'Private SOP classes that are stored, too, UIDs with commas between them',
  ),
  CALLOSUM_DIMSE_OPERATIONS_MAX: wholeNumber(1, 64)
    .default(8)
    .describe(
      'Requests of one association that are worked on at the same time where the peer proposes an asynchronous operations window; 1 grants none',
    ),
  CALLOSUM_DIMSE_ASSOCIATIONS_MAX: wholeNumber(1, 1_000)
    .default(scpLimits.associationsMax)
    .describe('Associations at the same time, of both ports together; one more is rejected as transient (2/3/2)'),
  // Half of all by default.
  CALLOSUM_DIMSE_AE_ASSOCIATIONS_MAX: wholeNumber(1, 1_000)
    .default(64)
    .describe(
      'Associations of one AE title at the same time, where its entry has no `associationsMax`; one more is rejected as transient (2/3/2)',
    ),
  CALLOSUM_DIMSE_NEWCOMERS_MAX: wholeNumber(16, 10_000)
    .default(scpLimits.newcomersMax)
    .describe(
      'Connections without an association at the same time, of each port, TLS handshakes among them; where one more comes, the one that waits longest is cut. Who lowers it lowers those of one address, too',
    ),
  // Half of all by default.
  CALLOSUM_DIMSE_ADDRESS_NEWCOMERS_MAX: wholeNumber(8, 10_000)
    .default(scpLimits.newcomersPerAddressMax)
    .describe(
      'Of them, those of one address. Where a load balancer or NAT gives all peers the same one, as many as may come back at once, and all of them',
    ),
  CALLOSUM_DIMSE_IDLE_TIMEOUT_MS: wholeNumber(1_000, hourMs)
    .default(scpLimits.idleTimeoutMs)
    .describe('An association whose peer is silent for this long is aborted, in milliseconds'),
  CALLOSUM_DIMSE_MESSAGE_TIMEOUT_MS: wholeNumber(1_000, hourMs)
    .default(scpLimits.messageTimeoutMs)
    .describe(
      'A message other than a C-STORE whose dataset is not whole after this, however steadily it comes, ends its association, in milliseconds',
    ),
  CALLOSUM_DIMSE_ARTIM_TIMEOUT_MS: wholeNumber(100, hourMs)
    .default(scpLimits.artimMs)
    .describe(
      'A connection without an association request, or not closed by its peer after the end, is cut after this time, in milliseconds',
    ),
  CALLOSUM_DIMSE_RESPONSE_TIMEOUT_MS: wholeNumber(1_000, hourMs)
    .default(scpLimits.responseTimeoutMs)
    .describe('How long a peer may take to answer a request of ours on its association, in milliseconds'),
  CALLOSUM_DIMSE_TLS_HANDSHAKE_MS: wholeNumber(100, hourMs)
    .default(scpLimits.handshakeMs)
    .describe('How long a TLS handshake may take, in milliseconds'),
  CALLOSUM_DIMSE_PDU_BYTES_MAX: wholeNumber(4 * kib, 16 * mib)
    .default(scpLimits.pduBytesMax)
    .describe('Longest PDU taken, and the maximum length told to senders; a longer one ends its association, in bytes'),
  CALLOSUM_DIMSE_ASSOCIATE_BYTES_MAX: wholeNumber(64 * kib, 4 * mib)
    .default(scpLimits.associateBytesMax)
    .describe('Longest association request, in bytes'),
  CALLOSUM_DIMSE_COMMAND_BYTES_MAX: wholeNumber(kib, mib)
    .default(scpLimits.commandBytesMax)
    .describe('Longest command set of a message, in bytes'),
  CALLOSUM_DIMSE_OBJECT_BYTES_MAX: wholeNumber(mib, 1024 * gib)
    .default(scpLimits.objectBytesMax)
    .describe('Longest dataset of a C-STORE; a longer one ends its association, in bytes'),
  CALLOSUM_DIMSE_IDENTIFIER_BYTES_MAX: wholeNumber(16 * kib, 64 * mib)
    .default(scpLimits.identifierBytesMax)
    .describe(
      'Longest dataset of any other request: identifiers, attribute lists, commitment requests; held in memory, in bytes',
    ),
};
type PeerSettings = z.output<z.ZodObject<typeof peerSettings>>;

/** What one peer may make us hold. */
export const limitsOf = (settings: PeerSettings): Partial<ScpLimits> => ({
  associationsMax: settings.CALLOSUM_DIMSE_ASSOCIATIONS_MAX,
  newcomersMax: settings.CALLOSUM_DIMSE_NEWCOMERS_MAX,
  newcomersPerAddressMax: settings.CALLOSUM_DIMSE_ADDRESS_NEWCOMERS_MAX,
  idleTimeoutMs: settings.CALLOSUM_DIMSE_IDLE_TIMEOUT_MS,
  messageTimeoutMs: settings.CALLOSUM_DIMSE_MESSAGE_TIMEOUT_MS,
  artimMs: settings.CALLOSUM_DIMSE_ARTIM_TIMEOUT_MS,
  responseTimeoutMs: settings.CALLOSUM_DIMSE_RESPONSE_TIMEOUT_MS,
  handshakeMs: settings.CALLOSUM_DIMSE_TLS_HANDSHAKE_MS,
  pduBytesMax: settings.CALLOSUM_DIMSE_PDU_BYTES_MAX,
  associateBytesMax: settings.CALLOSUM_DIMSE_ASSOCIATE_BYTES_MAX,
  commandBytesMax: settings.CALLOSUM_DIMSE_COMMAND_BYTES_MAX,
  objectBytesMax: settings.CALLOSUM_DIMSE_OBJECT_BYTES_MAX,
  identifierBytesMax: settings.CALLOSUM_DIMSE_IDENTIFIER_BYTES_MAX,
  // One PDU of headroom: the next one is read while this one is written.
  bufferedBytesMax: Math.max(scpLimits.bufferedBytesMax, settings.CALLOSUM_DIMSE_PDU_BYTES_MAX),
});

/** @throws {SettingsError} when an AE names users and nobody is asked for one: the word may be meant to protect */
export function assertUsersAreRead(settings: PeerSettings): void {
  if (settings.CALLOSUM_DIMSE_USER_IDENTITY !== 'ignored') return;
  const named = settings.CALLOSUM_DIMSE_AES.filter(namesUsers).map(({ aet }) => aet);
  if (named.length === 0) return;
  throw new SettingsError([
    `CALLOSUM_DIMSE_AES: ${named.slice(0, 5).join(', ')}: users are named, and CALLOSUM_DIMSE_USER_IDENTITY is ignored: ` +
      'set it to optional or required, or leave the users out',
  ]);
}

/** Files of certificates for DICOM; undefined when none is set. @throws {SettingsError} when TLS lacks one */
export function certificateFilesOf(settings: PeerSettings): Partial<TlsFiles> | undefined {
  const certFile = settings.CALLOSUM_DIMSE_TLS_CERT_FILE;
  const keyFile = settings.CALLOSUM_DIMSE_TLS_KEY_FILE;
  const caFile = settings.CALLOSUM_DIMSE_TLS_CA_FILE;
  const mode = settings.CALLOSUM_DIMSE_TLS;
  const problems: string[] = [];
  if ((certFile === undefined) !== (keyFile === undefined) || (mode !== 'off' && certFile === undefined))
    problems.push('CALLOSUM_DIMSE_TLS_CERT_FILE and CALLOSUM_DIMSE_TLS_KEY_FILE: set both');
  if (mode === 'mutual' && caFile === undefined)
    problems.push('CALLOSUM_DIMSE_TLS_CA_FILE: is required where peers show certificates');
  if (mode === 'off' && !settings.CALLOSUM_DIMSE_PLAIN)
    problems.push('CALLOSUM_DIMSE_PLAIN: is false and CALLOSUM_DIMSE_TLS is off: no port would be open');
  if (problems.length > 0) throw new SettingsError(problems);
  if (certFile === undefined && caFile === undefined) return undefined;
  return {
    ...(certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : {}),
    ...(caFile !== undefined ? { caFile } : {}),
  };
}
