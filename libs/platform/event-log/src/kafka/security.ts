import { isIP } from 'node:net';
import { connect } from 'node:tls';

import type { ISocketFactory, KafkaConfig, SASLOptions } from 'kafkajs';

import { ClientCredentials, type ClientCredentialsOptions, reauthenticationMs } from './client-credentials.js';

/** PEM texts. */
export interface KafkaTls {
  /** Authorities the brokers' certificates must come from; the system's own when not given. */
  readonly ca?: string;
  /** The client's certificate and its key (mTLS): both or none. */
  readonly cert?: string;
  readonly key?: string;
}

export type KafkaSasl =
  | { readonly mechanism: 'scram-sha-256' | 'scram-sha-512'; readonly username: string; readonly password: string }
  | ({ readonly mechanism: 'oauthbearer' } & ClientCredentialsOptions);

/** How a client proves who it is, and knows whom it talks to. */
export interface KafkaSecurity {
  /** No TLS when not given. A function is asked for each connection, so that a renewed certificate serves the next one. */
  readonly tls?: KafkaTls | (() => KafkaTls);
  /** SASL is only spoken inside TLS: a token on an open line is anybody's. */
  readonly sasl?: KafkaSasl;
}

/** As kafkajs' own sockets: a half-open connection is noticed some time after. */
const keepAliveMs = 60_000;

/** As kafkajs takes it. Tokens are asked for when a connection authenticates, and again before its session ends (KIP-368). */
export function clientSecurity({
  tls,
  sasl,
}: KafkaSecurity): Pick<KafkaConfig, 'ssl' | 'socketFactory' | 'sasl' | 'reauthenticationThreshold'> {
  if (!tls) return {};
  return {
    ssl: true,
    socketFactory: tlsSockets(typeof tls === 'function' ? tls : () => tls),
    ...(sasl ? { sasl: saslOptions(sasl), reauthenticationThreshold: reauthenticationMs } : {}),
  };
}

/** What this throws, of a file that is no PEM, kafkajs takes for a connection that failed, and tries again. */
function tlsSockets(tls: () => KafkaTls): ISocketFactory {
  return ({ host, port, onConnect }) => {
    const { ca, cert, key } = tls();
    const socket = connect(
      {
        host,
        port,
        ...(isIP(host) ? {} : { servername: host }),
        ...(ca ? { ca: [ca] } : {}),
        ...(cert ? { cert } : {}),
        ...(key ? { key } : {}),
      },
      onConnect,
    );
    return socket.setKeepAlive(true, keepAliveMs);
  };
}

function saslOptions(sasl: KafkaSasl): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') return sasl;
  const credentials = new ClientCredentials(sasl);
  return { mechanism: 'oauthbearer', oauthBearerProvider: async () => ({ value: await credentials.token() }) };
}
