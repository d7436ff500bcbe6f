import { type ChannelInterface, status } from '@grpc/grpc-js';
import type { Channel } from 'nice-grpc';

/**
 * Calls that one connection has open or broke off. A server of Node takes 1,000 resets in a row and 33 a second, then it
 * closes the connection with all calls on it (nghttp2, against Rapid Reset), and gRPC has no setting for that.
 */
const callsMax = 500;

/** What a call ends with that this side may have ended: broken off, too long a message, one that cannot be read. */
const resets: ReadonlySet<status> = new Set([status.CANCELLED, status.RESOURCE_EXHAUSTED, status.INTERNAL]);

type Call = ReturnType<ChannelInterface['createCall']>;

interface Connection {
  readonly channel: ChannelInterface;
  open: number;
  reset: number;
}

/**
 * A channel that goes on over a new connection before calls that are broken off cost the old one, on which calls go on to
 * their end. Breaking off is up to clients of this site: one that comes and goes must not cost others their answers.
 */
class RenewedChannel implements ChannelInterface {
  #now: Connection;
  /** Those left, for their calls. */
  readonly #left = new Set<Connection>();
  #isClosed = false;

  constructor(private readonly connect: () => ChannelInterface) {
    this.#now = { channel: connect(), open: 0, reset: 0 };
  }

  createCall(...asked: Parameters<ChannelInterface['createCall']>): Call {
    this.#renew();
    const connection = this.#now;
    const call = connection.channel.createCall(...asked);
    const start = call.start.bind(call);
    call.start = (metadata, listener) => {
      connection.open++;
      start(metadata, {
        onReceiveMetadata: (received) => listener.onReceiveMetadata(received),
        onReceiveMessage: (message: unknown) => listener.onReceiveMessage(message),
        // Each call ends with one, whoever ended it.
        onReceiveStatus: (ended) => {
          this.#end(connection, ended.code);
          listener.onReceiveStatus(ended);
        },
      });
    };
    return call;
  }

  close(): void {
    this.#isClosed = true;
    for (const { channel } of [this.#now, ...this.#left]) channel.close();
    this.#left.clear();
  }

  getTarget(): string {
    return this.#now.channel.getTarget();
  }

  getConnectivityState(tryToConnect: boolean): ReturnType<ChannelInterface['getConnectivityState']> {
    return this.#now.channel.getConnectivityState(tryToConnect);
  }

  watchConnectivityState(...watched: Parameters<ChannelInterface['watchConnectivityState']>): void {
    this.#now.channel.watchConnectivityState(...watched);
  }

  getChannelzRef(): ReturnType<ChannelInterface['getChannelzRef']> {
    return this.#now.channel.getChannelzRef();
  }

  #renew(): void {
    const old = this.#now;
    if (old.open + old.reset < callsMax || this.#isClosed) return;
    this.#now = { channel: this.connect(), open: 0, reset: 0 };
    if (old.open === 0) old.channel.close();
    else this.#left.add(old);
  }

  #end(connection: Connection, code: status): void {
    connection.open--;
    if (resets.has(code)) connection.reset++;
    if (connection.open === 0 && this.#left.delete(connection)) connection.channel.close();
  }
}

/** @param connect opens a channel with a connection of its own (`grpc.use_local_subchannel_pool`) */
export const renewedChannel = (connect: () => Channel): Channel =>
  // nice-grpc names the class where grpc-js asks for the interface.
  new RenewedChannel(connect) as ChannelInterface as Channel;
