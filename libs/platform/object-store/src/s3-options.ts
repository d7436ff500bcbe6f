import type {
  ChecksumAlgorithm,
  ChecksumType,
  CreateMultipartUploadCommandInput,
  PutObjectCommandInput,
  S3ClientConfig,
} from '@aws-sdk/client-s3';

/** How the server encrypts what it keeps. `none` leaves it to the bucket's own rule. */
export type S3Encryption = 'none' | 'AES256' | 'aws:kms';
/** `none` is for servers that do not know the headers: nothing but TLS and TCP guards the bytes on their way then. */
export type S3Checksum = 'CRC32' | 'SHA256' | 'none';

export interface S3ObjectStoreOptions {
  /** Base URL of an S3-compatible server; Amazon's when absent. */
  readonly endpoint?: string;
  readonly region: string;
  /** Exists already. */
  readonly bucket: string;
  readonly accessKeyId?: string;
  readonly secretAccessKey?: string;
  readonly encryption?: S3Encryption;
  /** With `aws:kms`; the account's own key when absent. */
  readonly kmsKeyId?: string;
  readonly checksum?: S3Checksum;
  /** Of one request, the first included. */
  readonly attemptsMax?: number;
  /** A server that has not answered a request, or sent nothing more of an answer, for this long is away. */
  readonly requestTimeoutMs?: number;
  readonly connectTimeoutMs?: number;
  /**
   * Connections at once, and so requests: an answer that is read takes one until it is read. It must be above what the
   * doors let in together: who waits for a connection is refused as if the server were away.
   */
  readonly connectionsMax?: number;
  /**
   * Memory of all uploads that run at the same time, for what is larger than a mebibyte; more of them wait. At least one
   * part (5 MiB). Of what is smaller as many run at once, in a mebibyte each beside it: a fifth more.
   */
  readonly uploadBytesMax?: number;
}

/** Used where a caller states none. */
export const s3Defaults = {
  encryption: 'none',
  checksum: 'CRC32',
  attemptsMax: 3,
  requestTimeoutMs: 30_000,
  connectTimeoutMs: 5_000,
  /**
   * 128 uploads of large and 128 of small objects, whatever windows associations have; 184 objects of requests that store
   * and become durable meanwhile; 256 retrieves; our own work.
   */
  connectionsMax: 768,
  /** A part for each of the 128 associations of dimse-ingest. */
  uploadBytesMax: 640 * 1024 * 1024,
} as const;

/** The SDK's settings. */
export function clientConfig(options: S3ObjectStoreOptions): S3ClientConfig {
  const {
    endpoint,
    region,
    accessKeyId,
    secretAccessKey,
    checksum,
    uploadBytesMax: _ofTheStore,
    connectionsMax: maxSockets,
    ...limits
  } = { ...s3Defaults, ...options };
  const when = checksum === 'none' ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  return {
    region,
    forcePathStyle: true,
    maxAttempts: limits.attemptsMax,
    requestChecksumCalculation: when,
    responseChecksumValidation: when,
    // For a request that asks first the SDK opens a connection of its own, which nothing counts.
    expectContinueHeader: false,
    requestHandler: {
      // The SDK's own limit is 50, and the time in its queue counts as time to connect.
      httpAgent: { keepAlive: true, maxSockets },
      httpsAgent: { keepAlive: true, maxSockets },
      requestTimeout: limits.requestTimeoutMs,
      // Without it the SDK writes a warning to the console and waits on.
      throwOnRequestTimeout: true,
      socketTimeout: limits.requestTimeoutMs,
      connectionTimeout: limits.connectTimeoutMs,
    },
    ...(endpoint ? { endpoint } : {}),
    ...(accessKeyId && secretAccessKey ? { credentials: { accessKeyId, secretAccessKey } } : {}),
  };
}

/** Of whoever asks whether the server is there: those answers must not wait behind the images. */
const pingConnectionsMax = 4;

export const pingClientConfig = (options: S3ObjectStoreOptions): S3ClientConfig =>
  clientConfig({ ...options, connectionsMax: pingConnectionsMax });

export type WriteParameters = Pick<
  PutObjectCommandInput,
  'ServerSideEncryption' | 'SSEKMSKeyId' | 'ChecksumAlgorithm'
> &
  Pick<CreateMultipartUploadCommandInput, 'ChecksumType'>;

/** What each object is written with, whole or in parts. */
export function writeParameters(options: S3ObjectStoreOptions): WriteParameters {
  const { encryption, checksum, kmsKeyId } = { ...s3Defaults, ...options };
  return {
    ...(encryption === 'none' ? {} : { ServerSideEncryption: encryption }),
    ...(encryption === 'aws:kms' && kmsKeyId ? { SSEKMSKeyId: kmsKeyId } : {}),
    ...(checksum === 'none' ? {} : { ChecksumAlgorithm: checksum satisfies ChecksumAlgorithm }),
    // One checksum over the whole object, which every reader of it can verify; SHA-256 of parts cannot be joined.
    ...(checksum === 'CRC32' ? { ChecksumType: 'FULL_OBJECT' satisfies ChecksumType } : {}),
  };
}
