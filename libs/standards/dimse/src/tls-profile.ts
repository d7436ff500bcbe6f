import { constants } from 'node:crypto';
import type { SecureContextOptions, SecureVersion } from 'node:tls';

/**
 * The BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 section B.12), for either side: TLS 1.3, and
 * 1.2 with the suites RFC 9325 section 4.2 names, which encrypt and authenticate in one (AEAD) with keys nobody can work
 * out later (ECDHE). Level 2 of OpenSSL asks for RSA keys of 2,048 bits and signatures without SHA-1.
 *
 * Sessions are not resumed: an association lasts long enough for a handshake of its own, and a certificate that is taken
 * back must not come in again by an old session.
 */
export const tlsProfile: Readonly<SecureContextOptions & { minVersion: SecureVersion }> = Object.freeze({
  minVersion: 'TLSv1.2',
  ciphers: [
    'TLS_AES_256_GCM_SHA384',
    'TLS_AES_128_GCM_SHA256',
    'TLS_CHACHA20_POLY1305_SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-RSA-AES128-GCM-SHA256',
    '@SECLEVEL=2',
  ].join(':'),
  ecdhCurve: 'X25519:P-256:P-384:P-521',
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_COMPRESSION | constants.SSL_OP_NO_RENEGOTIATION,
});

/** The port registered for DICOM over TLS, "dicom-tls". */
export const dicomTlsPort = 2762;
