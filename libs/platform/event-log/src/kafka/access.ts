import { EventLogUnavailableError, KafkaAccessError } from '../errors.js';

/** A chain of causes is never this deep, unless it is a ring. */
const causesMax = 8;
const closedNames = new Set(['KafkaJSConnectionClosedError', 'KafkaJSBrokerNotFound']);
/** TLS failures of either side, as Node names them: alerts of the broker, and certificates we do not accept. */
const tlsCode =
  /^(ERR_SSL|ERR_TLS|EPROTO|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|UNABLE_TO_VERIFY)/;

/**
 * What went wrong on the way to Kafka, in words for who set it up: a credential that is refused is no outage, and
 * waiting does not mend it. kafkajs' texts name brokers, mechanisms, groups and topics, never secrets.
 * @param withToken kafkajs does not read the answer to an access token: a refused one shows as a connection that closes
 */
export function connectionError(error: unknown, withToken = false): EventLogUnavailableError | KafkaAccessError {
  let closed = false;
  for (const found of causes(error)) {
    if (found instanceof KafkaAccessError) return found;
    const { name, code, type, message } = found as Error & { code?: unknown; type?: unknown };
    const text = message.replace(/^(Connection error: )+/, '');
    if (name === 'KafkaJSSASLAuthenticationError') return new KafkaAccessError(text, { cause: error });
    if (typeof type === 'string' && type.endsWith('_AUTHORIZATION_FAILED'))
      return new KafkaAccessError(`Kafka does not allow it: ${text} (${type})`, { cause: error });
    if (typeof code === 'string' && tlsCode.test(code))
      return new KafkaAccessError(`no TLS connection to Kafka: ${text}`, { cause: error });
    // An alert that came after the handshake (TLS 1.3: the client's certificate) has only a text.
    if (/ssl|tls|certificate/i.test(text) && name.startsWith('KafkaJSConnection'))
      return new KafkaAccessError(`no TLS connection to Kafka: ${text}`, { cause: error });
    // After the connections to all of them were closed kafkajs knows no broker any more.
    closed ||= closedNames.has(name) || code === 'ECONNRESET';
  }
  if (closed && withToken)
    return new KafkaAccessError(
      'Kafka closes the connection after the access token: out of date, for another audience, or of an issuer it does not trust?',
      { cause: error },
    );
  const hint = closed ? ': it closes the connection; does its listener want TLS, SASL or a client certificate?' : '';
  return new EventLogUnavailableError(`Kafka does not answer${hint}`, { cause: error });
}

function* causes(error: unknown): Generator<Error> {
  let current: unknown = error;
  for (let depth = 0; depth < causesMax && current instanceof Error; depth++) {
    yield current;
    current = current.cause ?? (current as { originalError?: unknown }).originalError;
  }
}
