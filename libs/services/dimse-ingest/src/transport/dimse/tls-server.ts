import { createServer, type Server, type TlsOptions } from 'node:tls';

import type { CertificateFiles, CertificateMaterial } from '@callosum/auth';
import { tlsProfile } from '@callosum/dimse';

export interface DimseTlsServer {
  readonly server: Server;
  /** Ends looking for new certificates. */
  stop(): void;
}

/**
 * A server for DICOM TLS that does not listen yet. New certificates serve connections to come; associations go on.
 * @param mode `mutual`: nobody comes in without a certificate of our authorities; `on`: one that is shown is checked, and
 * it is for the AE's entry to say whether it is needed
 * @param onRenewed new certificates are in use
 */
export function dimseTlsServer(
  mode: 'on' | 'mutual',
  certificates: CertificateFiles,
  onRenewed: () => void,
): DimseTlsServer {
  const optionsOf = (material: CertificateMaterial): TlsOptions => ({ ...tlsProfile, ...material });
  const server = createServer({
    ...optionsOf(certificates.current),
    requestCert: mode === 'mutual' || certificates.current.ca !== undefined,
    rejectUnauthorized: mode === 'mutual',
    noDelay: true,
  });
  const stop = certificates.follow((material) => {
    server.setSecureContext(optionsOf(material));
    onRenewed();
  });
  return { server, stop };
}
