import type { CertificateFiles } from '@callosum/auth';
import { type ScuOptions, tlsProfile } from '@callosum/dimse';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { X509Certificate } from 'node:crypto';

import type { CallableEntity, EntityTls } from '../domain/application-entity.js';
import { isCertificateOf, namesCertificate } from '../domain/peer-certificate.js';

/** How we call another node: the one place that knows our title, certificates and limits as a requestor. */
export class PeerOptions {
  /**
   * @param callingAet ours
   * @param certificates ours, and the authorities of peers; peers over TLS are held against those Node.js knows without
   */
  constructor(
    private readonly callingAet: string,
    private readonly certificates?: Pick<CertificateFiles, 'current'>,
  ) {}

  of(entity: CallableEntity): ScuOptions {
    const { host, port, aet, tls } = entity;
    return {
      host,
      port,
      calledAet: aet,
      callingAet: this.callingAet,
      ...(tls?.call ? { tls: this.#tls(host, tls) } : {}),
    };
  }

  /** DICOM TLS by PS3.15 B.12; the peer's certificate is always verified. */
  #tls(host: string, expected: EntityTls): NonNullable<ScuOptions['tls']> {
    const name = expected.serverName ?? host;
    return {
      ...tlsProfile,
      ...this.certificates?.current,
      rejectUnauthorized: true,
      // RFC 6066 section 3: an address is no server name.
      ...(isIP(name) ? {} : { servername: name }),
      checkServerIdentity: (_name: string, certificate: PeerCertificate) => identityError(name, certificate, expected),
    };
  }
}

/** What the entry says of the certificate stands in place of the name: many nodes have certificates without their own. */
function identityError(name: string, certificate: PeerCertificate, expected: EntityTls): Error | undefined {
  if (!namesCertificate(expected)) return checkServerIdentity(name, certificate);
  if (isCertificateOf(new X509Certificate(certificate.raw), expected)) return undefined;
  return Object.assign(new Error('the certificate is not that of the AE'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
}
