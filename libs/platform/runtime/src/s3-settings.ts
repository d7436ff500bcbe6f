import { SettingsError, wholeNumber } from '@callosum/config';
import { s3Defaults, type S3ObjectStoreOptions } from '@callosum/object-store';
import { z } from 'zod';

/** How objects are written to S3, and how long one waits for it. */
export const s3Settings = {
  CALLOSUM_S3_ENCRYPTION: z
    .enum(['none', 'AES256', 'aws:kms'])
    .default(s3Defaults.encryption)
    .describe("How the S3 server is told to encrypt each object it keeps; none leaves it to the bucket's own rule"),
  CALLOSUM_S3_KMS_KEY_ID: z
    .string()
    .optional()
    .describe("Key of aws:kms (id, alias or ARN); the account's own when not set"),
  CALLOSUM_S3_CHECKSUM: z
    .enum(['CRC32', 'SHA256', 'none'])
    .default(s3Defaults.checksum)
    .describe(
      'Checksum the S3 server verifies on what it is sent, keeps, and gives back to be verified on what is read whole; none for servers that do not know them. CRC32 covers objects of several parts as a whole, SHA256 each part',
    ),
  CALLOSUM_S3_ATTEMPTS_MAX: wholeNumber(1, 10)
    .default(s3Defaults.attemptsMax)
    .describe('How often one request to the S3 server is tried before the object is refused (A700, 503)'),
  CALLOSUM_S3_REQUEST_MS_MAX: wholeNumber(1_000, 600_000)
    .default(s3Defaults.requestTimeoutMs)
    .describe('An attempt without an answer, or an answer that stands still, for so long is given up, in milliseconds'),
  CALLOSUM_S3_CONNECT_MS_MAX: wholeNumber(100, 60_000)
    .default(s3Defaults.connectTimeoutMs)
    .describe('An attempt that is not connected to the S3 server after this time is given up, in milliseconds'),
  CALLOSUM_S3_CONNECTIONS_MAX: wholeNumber(16, 65_535)
    .default(s3Defaults.connectionsMax)
    .describe(
      'Connections of a process to the S3 server at the same time; above what its doors let in together (associations, STOW-RS and WADO-RS requests): who waits for one longer than CALLOSUM_S3_CONNECT_MS_MAX is refused',
    ),
  CALLOSUM_S3_UPLOAD_BYTES_MAX: wholeNumber(5 * 1024 * 1024, Number.MAX_SAFE_INTEGER)
    .default(s3Defaults.uploadBytesMax)
    .describe(
      'Memory for all uploads of a process that run at the same time; those of objects over a mebibyte take 5 MiB each, others 1 MiB of a fifth of it beside, and more of them wait',
    ),
};

/** @throws {SettingsError} when a key is named that nothing would use: a site that believes so is not encrypted as it thinks */
export function s3Options(
  settings: z.output<z.ZodObject<typeof s3Settings>>,
): Omit<S3ObjectStoreOptions, 'region' | 'bucket'> {
  const { CALLOSUM_S3_ENCRYPTION: encryption, CALLOSUM_S3_KMS_KEY_ID: kmsKeyId } = settings;
  if (kmsKeyId && encryption !== 'aws:kms')
    throw new SettingsError(['CALLOSUM_S3_KMS_KEY_ID: needs CALLOSUM_S3_ENCRYPTION to be aws:kms']);
  return {
    encryption,
    ...(kmsKeyId ? { kmsKeyId } : {}),
    checksum: settings.CALLOSUM_S3_CHECKSUM,
    attemptsMax: settings.CALLOSUM_S3_ATTEMPTS_MAX,
    requestTimeoutMs: settings.CALLOSUM_S3_REQUEST_MS_MAX,
    connectTimeoutMs: settings.CALLOSUM_S3_CONNECT_MS_MAX,
    connectionsMax: settings.CALLOSUM_S3_CONNECTIONS_MAX,
    uploadBytesMax: settings.CALLOSUM_S3_UPLOAD_BYTES_MAX,
  };
}
