import { setTimeout as sleep } from 'node:timers/promises';

import { Client, type FhirResource, type RequestOptions } from 'fhir-kit-client';

import { FhirRequestError, FhirUnavailableError } from './client-errors.js';
import { isOperationOutcome } from './outcome.js';
import type { Bundle, CapabilityStatement, Resource } from './resources.js';
import { searchQuery, type SearchParams } from './search.js';

export interface FhirClientOptions {
  /** Server base, e.g. "http://127.0.0.1:8080/fhir". */
  readonly baseUrl: string;
  /** One attempt takes at most this long; a transaction of a large report fits well within the default. */
  readonly timeoutMs?: number;
  /** Attempts of an idempotent call in all; others get one. */
  readonly attemptsMax?: number;
  /** The longest pause between attempts, also when the server asks for more: callers keep their own schedule. */
  readonly retryDelayMsMax?: number;
  /** Bearer token, asked for before every attempt (SMART Backend Services). */
  readonly accessToken?: () => Promise<string>;
  /** Headers of every attempt, e.g. trace context. */
  readonly headers?: () => Readonly<Record<string, string>>;
}

const defaults = { timeoutMs: 30_000, attemptsMax: 3, retryDelayMsMax: 5_000 } as const;

/** Identifies a version for optimistic locking; from `meta.versionId`. */
export interface WriteOptions {
  /** If-Match: the write fails with 412 unless this version is current. */
  readonly versionId?: string;
  readonly signal?: AbortSignal;
}

type WithId<T extends Resource> = T & { id: string };
type TypeOf<T extends Resource> = T['resourceType'];
interface Call {
  readonly interaction: string;
  readonly idempotent: boolean;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * FHIR R4 REST client. Every call has a deadline. 429, 503 and broken connections are tried again where a
 * repetition cannot do harm: reads, searches, updates by id, deletes; never a create or a bundle.
 * @throws {FhirRequestError} when the server answers with an error status
 * @throws {FhirUnavailableError} when it cannot be reached or is too slow
 */
export class FhirClient {
  private readonly client: Client;
  private readonly options: FhirClientOptions & typeof defaults;

  constructor(options: FhirClientOptions) {
    this.options = { ...defaults, ...options } as FhirClientOptions & typeof defaults;
    this.client = new Client({ baseUrl: options.baseUrl.replace(/\/+$/, '') });
  }

  capabilities(signal?: AbortSignal): Promise<CapabilityStatement> {
    return this.call({ interaction: 'GET metadata', idempotent: true, signal }, (options) =>
      this.client.capabilityStatement(options),
    );
  }

  read<T extends Resource>(resourceType: TypeOf<T>, id: string, signal?: AbortSignal): Promise<WithId<T>> {
    return this.call({ interaction: `GET ${resourceType}`, idempotent: true, signal }, (options) =>
      this.client.read({ resourceType, id: encodeURIComponent(id), options }),
    );
  }

  /** Like `read`, but undefined when there is none (404) or it was deleted (410). */
  async readIfPresent<T extends Resource>(
    resourceType: TypeOf<T>,
    id: string,
    signal?: AbortSignal,
  ): Promise<WithId<T> | undefined> {
    try {
      return await this.read<T>(resourceType, id, signal);
    } catch (error) {
      if (error instanceof FhirRequestError && (error.status === 404 || error.status === 410)) return undefined;
      throw error;
    }
  }

  /** One page of a search; see `searchAll` for more. */
  search(resourceType: string, params: SearchParams, signal?: AbortSignal): Promise<Bundle> {
    return this.call({ interaction: `GET ${resourceType}`, idempotent: true, signal }, (options) =>
      this.client.request(`${resourceType}?${searchQuery(params)}`, { options }),
    );
  }

  /**
   * All matches, following `next` links of the same server.
   * @param resourcesMax guards memory: reaching it is an error of the query, and throws RangeError
   */
  async searchAll<T extends Resource>(
    resourceType: TypeOf<T>,
    params: SearchParams,
    resourcesMax = 1_000,
    signal?: AbortSignal,
  ): Promise<WithId<T>[]> {
    const found: WithId<T>[] = [];
    for await (const page of this.searchPages<T>(resourceType, params, signal)) {
      found.push(...page);
      if (found.length > resourcesMax)
        throw new RangeError(`search of ${resourceType} found more than ${resourcesMax}`);
    }
    return found;
  }

  /** The same page by page: the next one is asked for when it is wanted. */
  async *searchPages<T extends Resource>(
    resourceType: TypeOf<T>,
    params: SearchParams,
    signal?: AbortSignal,
  ): AsyncGenerator<WithId<T>[]> {
    let page = await this.search(resourceType, params, signal);
    for (;;) {
      yield (page.entry ?? []).flatMap(({ resource, search }) =>
        resource?.resourceType === resourceType && search?.mode !== 'outcome' ? [resource as WithId<T>] : [],
      );
      const next = page.link?.find(({ relation }) => relation === 'next')?.url;
      if (!next) return;
      const url = this.sameServer(next, resourceType);
      page = await this.call({ interaction: `GET ${resourceType}`, idempotent: true, signal }, (options) =>
        this.client.request(url, { options }),
      );
    }
  }

  /** Creates; with `ifNoneExist`, gives back the one that exists already (`created` false). */
  async create<T extends Resource>(
    resource: T,
    options: { ifNoneExist?: SearchParams; signal?: AbortSignal } = {},
  ): Promise<{ resource: WithId<T>; created: boolean }> {
    const headers = options.ifNoneExist ? { 'If-None-Exist': searchQuery(options.ifNoneExist) } : {};
    const answer = await this.call<FhirResource>(
      { interaction: `POST ${resource.resourceType}`, idempotent: false, headers, signal: options.signal },
      (request) =>
        this.client.create({
          resourceType: resource.resourceType,
          body: resource as unknown as FhirResource,
          options: request,
        }),
    );
    return { resource: answer as unknown as WithId<T>, created: Client.httpFor(answer).response?.status === 201 };
  }

  update<T extends Resource>(resource: WithId<T>, options: WriteOptions = {}): Promise<WithId<T>> {
    const { resourceType, id } = resource;
    const headers = options.versionId ? { 'If-Match': `W/"${options.versionId}"` } : {};
    return this.call(
      { interaction: `PUT ${resourceType}`, idempotent: true, headers, signal: options.signal },
      (request) =>
        this.client.update({ resourceType, id, body: resource as unknown as FhirResource, options: request }),
    );
  }

  /** Updates the one resource the criteria find, creates when they find none. Not repeated: its first try may have created. */
  conditionalUpdate<T extends Resource>(resource: T, criteria: SearchParams, signal?: AbortSignal): Promise<WithId<T>> {
    const url = `${resource.resourceType}?${searchQuery(criteria)}`;
    const headers = { 'Content-Type': 'application/fhir+json' };
    return this.call({ interaction: `PUT ${resource.resourceType}`, idempotent: false, headers, signal }, (options) =>
      this.client.request(url, { method: 'PUT', options, body: resource }),
    );
  }

  async delete(resourceType: string, id: string, signal?: AbortSignal): Promise<void> {
    await this.call({ interaction: `DELETE ${resourceType}`, idempotent: true, signal }, (options) =>
      this.client.delete({ resourceType, id: encodeURIComponent(id), options }),
    );
  }

  /** Sends a transaction or batch Bundle and gives back the response Bundle. */
  bundle(bundle: Bundle, signal?: AbortSignal): Promise<Bundle> {
    return this.call({ interaction: `POST ${bundle.type ?? 'bundle'}`, idempotent: false, signal }, (options) =>
      this.client.transaction({ body: bundle as unknown as FhirResource, options }),
    );
  }

  private async call<T>(call: Call, send: (options: RequestOptions) => Promise<FhirResource>): Promise<T> {
    const attempts = call.idempotent ? this.options.attemptsMax : 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return (await send(await this.requestOptions(call))) as unknown as T;
      } catch (thrown) {
        const error = translate(call.interaction, thrown, call.signal);
        const again =
          error instanceof FhirUnavailableError ||
          (error instanceof FhirRequestError && (error.status === 429 || error.status === 503));
        if (!again || attempt >= attempts || call.signal?.aborted) throw error;
        await this.pause(attempt, error instanceof FhirRequestError ? error.retryAfterSeconds : undefined, call.signal);
      }
    }
  }

  private async requestOptions(call: Call): Promise<RequestOptions> {
    const token = await this.options.accessToken?.();
    const timeout = AbortSignal.timeout(this.options.timeoutMs);
    return {
      // `return=representation`: callers need the id and version the server gave.
      headers: {
        Prefer: 'return=representation',
        ...this.options.headers?.(),
        ...(token ? { Authorization: `Bearer ${token}` } : {}),
        ...call.headers,
      },
      signal: call.signal ? AbortSignal.any([call.signal, timeout]) : timeout,
    };
  }

  private async pause(
    attempt: number,
    retryAfterSeconds: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const wanted =
      retryAfterSeconds === undefined ? 200 * 2 ** attempt * (0.5 + Math.random()) : retryAfterSeconds * 1_000;
    await sleep(Math.min(wanted, this.options.retryDelayMsMax), undefined, signal ? { signal } : {});
  }

  /** A next link elsewhere would carry our credentials to another host. */
  private sameServer(url: string, resourceType: string): string {
    const base = new URL(`${this.client.baseUrl}/`);
    const absolute = new URL(url, base);
    if (absolute.origin !== base.origin)
      throw new FhirRequestError(`GET ${resourceType}`, 502, ['processing'], ['Bundle.link.url']);
    return absolute.href;
  }
}

interface KitError {
  readonly response?: { readonly status?: number; readonly data?: unknown };
  readonly config?: { readonly headers?: Headers };
}

/** The library's own message holds the whole URL, and with it identifiers: only status and issue codes are taken over. */
function translate(interaction: string, thrown: unknown, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return new FhirUnavailableError(interaction, 'aborted by the caller');
  const { response, config } = (thrown ?? {}) as KitError;
  if (typeof response?.status === 'number') {
    const issues = isOperationOutcome(response.data) ? (response.data.issue ?? []) : [];
    const retryAfter = Number(config?.headers?.get('retry-after') ?? Number.NaN);
    // A body that is no JSON under a success status is a broken server (a proxy's page, for example).
    const status = response.status < 400 ? 502 : response.status;
    return new FhirRequestError(
      interaction,
      status,
      [...new Set(issues.flatMap(({ code }) => code ?? []))],
      [...new Set(issues.flatMap(({ expression }) => expression ?? []))].slice(0, 10),
      Number.isFinite(retryAfter) ? retryAfter : undefined,
    );
  }
  const name = thrown instanceof Error ? thrown.name : '';
  if (name === 'TimeoutError') return new FhirUnavailableError(interaction, 'no answer in time');
  if (thrown instanceof TypeError || name === 'AbortError') {
    const reason = networkReason(thrown);
    return new FhirUnavailableError(interaction, reason, unconnected.has(reason) ? 'not-sent' : 'unknown');
  }
  return thrown;
}

/** Failures of the connection itself: nothing of the request left this machine. */
const unconnected: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

function networkReason(thrown: unknown): string {
  const code = ((thrown as { cause?: { code?: unknown } }).cause ?? {}).code;
  return typeof code === 'string' ? code : 'connection failed';
}
