import { experimental, type ServerCredentials } from '@grpc/grpc-js';

import type { TlsFiles } from './settings.js';

/** How often certificates are read again: a renewed one serves new connections within this time, old ones go on. */
export const certificateRefreshMs = 10_000;

/** Certificates from files, read again while the process runs. */
export function watched(
  files: Partial<TlsFiles>,
  refreshIntervalMs: number,
): experimental.FileWatcherCertificateProvider {
  return new experimental.FileWatcherCertificateProvider({
    ...(files.certFile && files.keyFile ? { certificateFile: files.certFile, privateKeyFile: files.keyFile } : {}),
    ...(files.caFile ? { caCertificateFile: files.caFile } : {}),
    refreshIntervalMs,
  });
}

/** TLS of a server; with `caFile` clients must show a certificate of that authority. */
export function tlsServerCredentials(
  files: Pick<TlsFiles, 'certFile' | 'keyFile'> & Partial<TlsFiles>,
  refreshIntervalMs: number = certificateRefreshMs,
): ServerCredentials {
  const provider = watched(files, refreshIntervalMs);
  const authorities = files.caFile === undefined ? null : provider;
  // grpc-js 1.14.7 declares these two in the other order than it takes them: the server's own come first.
  return experimental.createCertificateProviderServerCredentials(provider, authorities, authorities !== null);
}
