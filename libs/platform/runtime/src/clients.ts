import { type Authenticator, type Caller, internalChannelCredentials, provesItself } from '@callosum/auth';
import { identity, imaging } from '@callosum/contracts';
import { grpcClientMiddleware } from '@callosum/telemetry';
import { type Channel, type Client, ClientError, createChannel, createClientFactory, Status } from 'nice-grpc';
import { deadlineMiddleware, type DeadlineOptions } from 'nice-grpc-client-middleware-deadline';

import { renewedChannel } from './renewed-channel.js';

export type StudyIndexClient = Client<imaging.StudyIndexServiceDefinition, DeadlineOptions>;
export type IdentityClient = Client<identity.IdentityServiceDefinition, DeadlineOptions>;

export interface PeerClients {
  readonly studyIndex: StudyIndexClient;
  readonly identity: IdentityClient;
  close(): void;
}

/** A unary call between services that takes longer is lost; streams set their own deadline. */
const deadlineMs = 30_000;
/** A study's geometry (10,000 instances at about 1 KiB) fits; larger answers are streams. */
const messageBytesMax = 64 * 1024 * 1024;
/**
 * What is sent of a stream before its reader has taken some. HTTP/2's own 64 KiB would have a message of a stream, of which
 * most end at 256 KiB, wait for its reader four times.
 */
const windowBytes = 512 * 1024;

/** Whether study-index refused an answer that would have been larger than that: the same question ends the same way. */
export const isAnswerTooLarge = (error: unknown): boolean =>
  error instanceof ClientError &&
  error.code === Status.INVALID_ARGUMENT &&
  error.details.startsWith('study-index.answer-too-large');

/** Clients of the other services. Channels connect when first used and reconnect by themselves. */
export function createPeerClients(
  service: string,
  addresses: { readonly studyIndex: string; readonly identity: string },
  /** How the service proves itself; without it channels are plain. */
  authenticator?: Authenticator,
): PeerClients {
  const channels: Channel[] = [];
  const open = (address: string): Channel => {
    // nice-grpc takes what follows a single-slash scheme for a host and appends a port.
    const credentials = authenticator && internalChannelCredentials(authenticator, address);
    const target = address.replace(/^unix:(?!\/\/)/, 'unix://');
    const channel = renewedChannel(() =>
      createChannel(target, credentials, {
        'grpc.max_receive_message_length': messageBytesMax,
        'grpc-node.flow_control_window': windowBytes,
        'grpc.initial_reconnect_backoff_ms': 100,
        'grpc.max_reconnect_backoff_ms': 5_000,
        // Where packets are dropped nobody says that a peer has gone: asked while a call runs, and connected anew.
        'grpc.keepalive_time_ms': 60_000,
        'grpc.keepalive_timeout_ms': 20_000,
        // Otherwise channels to one address share a connection.
        'grpc.use_local_subchannel_pool': 1,
      }),
    );
    channels.push(channel);
    return channel;
  };
  const factory = (to: Caller) => {
    const plain = createClientFactory().use(grpcClientMiddleware(service)).use(deadlineMiddleware);
    return authenticator ? plain.use(provesItself(authenticator, to)) : plain;
  };
  const defaults = { '*': { deadline: deadlineMs } } as const;
  return {
    studyIndex: factory('study-index').create(
      imaging.StudyIndexServiceDefinition,
      open(addresses.studyIndex),
      defaults,
    ),
    identity: factory('identity-mapping').create(
      identity.IdentityServiceDefinition,
      open(addresses.identity),
      defaults,
    ),
    close: () => channels.forEach((channel) => channel.close()),
  };
}
