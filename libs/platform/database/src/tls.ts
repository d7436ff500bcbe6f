import { readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';

import { CallosumError } from '@callosum/kernel';

/**
 * TLS to the server. Its chain and its name are always verified (what libpq calls verify-full): encryption to whoever
 * answers protects from nobody who can answer.
 */
export interface DatabaseTls {
  /** PEM file of the authorities its certificate may come from; those Node.js knows when not given. */
  readonly caFile?: string;
  /** PEM files of a certificate and its key for servers that ask for one. */
  readonly certFile?: string;
  readonly keyFile?: string;
}

/**
 * Thrown when no connection can be had that is encrypted and verified; no password and no query went over it. `unavailable`,
 * since a server's certificate that runs out at night is an outage for all work alike, not a reason to park any of it.
 */
export class DatabaseTlsError extends CallosumError {
  constructor(server: string, what: string, options?: { cause?: unknown }) {
    super('database.tls-refused', 'unavailable', `PostgreSQL at ${server} is not used: ${what}`, options);
  }
}

/** The files of a TLS configuration, read again for each connection: an operator renews authorities while pods run. */
export class TlsFiles {
  readonly #tls: DatabaseTls;
  #last: ConnectionOptions;

  /** @throws when a file cannot be read */
  constructor(tls: DatabaseTls) {
    this.#tls = tls;
    this.#last = readFiles(tls);
  }

  /** What is in the files now; what was in them before where one is away for a moment. */
  current(): ConnectionOptions {
    try {
      this.#last = readFiles(this.#tls);
    } catch {
      // the next connection looks again
    }
    return { ...this.#last };
  }
}

function readFiles({ caFile, certFile, keyFile }: DatabaseTls): ConnectionOptions {
  return {
    // Said, so that no variable of the environment can unsay it.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(caFile ? { ca: readFileSync(caFile, 'utf8') } : {}),
    ...(certFile ? { cert: readFileSync(certFile, 'utf8') } : {}),
    ...(keyFile ? { key: readFileSync(keyFile, 'utf8') } : {}),
  };
}

/** OpenSSL's names of what can be wrong with a chain, as Node.js gives them (X509_V_ERR_…). */
const chainCode = /^(UNABLE_TO_|CERT_|DEPTH_ZERO_|SELF_SIGNED_|ERROR_IN_CERT_|CRL_|INVALID_CA$|INVALID_PURPOSE$|PATH_)/;

/** The error as a refusal of TLS, where it is one; `undefined` for any other. */
export function tlsRefusal(error: Error, server: string): DatabaseTlsError | undefined {
  const code = (error as { code?: unknown }).code;
  // pg has no codes for these two: the answer to its SSLRequest was "N", or something else than "S".
  if (/server does not support SSL/i.test(error.message))
    return new DatabaseTlsError(
      server,
      'it offers no TLS (its setting ssl is off), and CALLOSUM_DATABASE_TLS asks for it',
    );
  if (/error establishing an SSL connection/i.test(error.message))
    return new DatabaseTlsError(server, 'what answers there does not speak the protocol of PostgreSQL');
  if (typeof code !== 'string') return undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return new DatabaseTlsError(server, `its certificate is for another name (${code})`, { cause: error });
  if (chainCode.test(code))
    return new DatabaseTlsError(server, `its certificate does not come from an authority that is trusted (${code})`, {
      cause: error,
    });
  if (/^(ERR_SSL_|ERR_TLS_|ERR_OSSL_|EPROTO$)/.test(code))
    return new DatabaseTlsError(server, `TLS failed (${code})`, { cause: error });
  return undefined;
}
