import type { X509Certificate } from 'node:crypto';

import type { EntityTls } from './application-entity.js';

type Expected = Pick<EntityTls, 'fingerprint' | 'subject' | 'dnsName'>;

/** True when something is said of the certificate. */
export const namesCertificate = ({ fingerprint, subject, dnsName }: Expected): boolean =>
  fingerprint !== undefined || subject !== undefined || dnsName !== undefined;

/** True when all that is said of the certificate fits. That it is signed by an authority we know is TLS's to check. */
export function isCertificateOf(certificate: X509Certificate, { fingerprint, subject, dnsName }: Expected): boolean {
  if (fingerprint !== undefined && plain(certificate.fingerprint256) !== plain(fingerprint)) return false;
  if (subject !== undefined && !hasSubject(certificate, subject)) return false;
  return dnsName === undefined || isFor(certificate, dnsName);
}

const plain = (fingerprint: string): string => fingerprint.replaceAll(':', '').toLowerCase();

/** Node gives one attribute a line, with what RFC 4514 escapes escaped: a line cannot be made up of another's value. */
function hasSubject(certificate: X509Certificate, subject: string): boolean {
  const has = new Set(certificate.subject.split('\n').map((line) => line.trim()));
  return subject.split(/(?<!\\),/).every((attribute) => has.has(attribute.trim()));
}

const isFor = (certificate: X509Certificate, dnsName: string): boolean =>
  certificate.checkHost(dnsName, { subject: 'never', wildcards: false }) !== undefined;
