import { KafkaAccessError } from '../errors.js';

export interface ClientCredentialsOptions {
  /** Token endpoint of the authorization server. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope?: string;
}

/** An authorization server that takes longer is down; kafkajs waits 10 s for a connection to be authenticated. */
const requestTimeoutMs = 8_000;
/**
 * kafkajs logs a connection in again when less than this is left of its session, which ends with its token. A token
 * that had less left would be refused a second login within a second, so none is handed out; tokens that live shorter
 * than twice this are asked for each time, and those that live shorter than this cannot be used.
 */
export const reauthenticationMs = 10_000;
/** RFC 6749 section 5.1 only recommends `expires_in`; without it a token is asked for again after this time. */
const lifetimeSecondsDefault = 60;

/**
 * Access tokens by the client credentials grant (RFC 6749 section 4.4), with HTTP Basic authentication of the client.
 * One token serves all connections until it is due for renewal; requests that come together share one call.
 */
export class ClientCredentials {
  #token: { readonly value: string; readonly renewAt: number } | undefined;
  #asking: Promise<string> | undefined;

  constructor(
    private readonly options: ClientCredentialsOptions,
    private readonly now: () => number = Date.now,
  ) {}

  /** @throws {KafkaAccessError} when the authorization server gives none; its answer's body is not quoted */
  token(): Promise<string> {
    if (this.#token && this.now() < this.#token.renewAt) return Promise.resolve(this.#token.value);
    this.#asking ??= this.#ask().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  async #ask(): Promise<string> {
    const { tokenUrl, scope } = this.options;
    const response = await fetch(tokenUrl, {
      method: 'POST',
      headers: { authorization: this.#authorization(), accept: 'application/json' },
      body: new URLSearchParams({ grant_type: 'client_credentials', ...(scope ? { scope } : {}) }),
      signal: AbortSignal.timeout(requestTimeoutMs),
      redirect: 'error',
    }).catch((cause: unknown) => {
      throw new KafkaAccessError('the token endpoint does not answer', { cause });
    });
    if (!response.ok) throw new KafkaAccessError(`the token endpoint gave no token: HTTP ${response.status}`);
    const answer = (await response.json().catch(() => ({}))) as { access_token?: unknown; expires_in?: unknown };
    if (typeof answer.access_token !== 'string') throw new KafkaAccessError('the token endpoint gave no access_token');
    const seconds = typeof answer.expires_in === 'number' ? answer.expires_in : lifetimeSecondsDefault;
    this.#token = { value: answer.access_token, renewAt: this.now() + seconds * 1000 - 2 * reauthenticationMs };
    return answer.access_token;
  }

  /** RFC 6749 section 2.3.1: id and secret are form-encoded first. */
  #authorization(): string {
    const encode = (text: string): string => new URLSearchParams({ v: text }).toString().slice(2);
    const pair = `${encode(this.options.clientId)}:${encode(this.options.clientSecret)}`;
    return `Basic ${Buffer.from(pair).toString('base64')}`;
  }
}
