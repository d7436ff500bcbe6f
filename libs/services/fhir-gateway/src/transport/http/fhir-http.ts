import { type Bundle, okOutcome, outcome, type Resource } from '@callosum/fhir';
import { type Clock, errorCode } from '@callosum/kernel';
import { CLOCK, LOGGER, PLATFORM_SETTINGS, type PlatformSettings } from '@callosum/runtime';
import type { Logger } from '@callosum/telemetry';
import { Inject, Injectable } from '@nestjs/common';

import { describeError } from '../../application/describe-error.js';
import { type Interaction, parseInteraction, type WriteInteraction } from '../../application/interaction.js';
import { BASES, DEFINITIONS, type Definitions, type StoredVersion } from '../../application/ports.js';
import { ProcessBundle } from '../../application/process-bundle.js';
import { ReadResources } from '../../application/read-resources.js';
import type { WriteRequest } from '../../application/write-request.js';
import { WriteResources } from '../../application/write-resources.js';
import { FhirError } from '../../domain/fhir-error.js';
import { parseJson } from '../../domain/json.js';
import { capabilityStatement } from './capability-statement.js';
import { requireJson, requireJsonAccepted } from './content.js';
import { HeldBodies, readBody } from './read-body.js';

export interface FhirHttpRequest {
  readonly method: string;
  /** Relative to the base: "Patient/1?_format=json". */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly body: AsyncIterable<Buffer | string>;
}

export interface FhirHttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Resource;
}

type Headers = FhirHttpRequest['headers'];

/** A request whose body is read when it is wanted, under the limits. */
type Incoming = Omit<FhirHttpRequest, 'body'> & { readonly read: () => Promise<Buffer> };

/** FHIR R4 over HTTP: from request to response, every error an OperationOutcome (R4 http, 3.1.0.1). */
@Injectable()
export class FhirHttp {
  private readonly started: Date;
  private readonly issuer: string | undefined;
  private readonly bodies = new HeldBodies();

  constructor(
    @Inject(ReadResources) private readonly reads: ReadResources,
    @Inject(WriteResources) private readonly writes: WriteResources,
    @Inject(ProcessBundle) private readonly bundles: ProcessBundle,
    @Inject(DEFINITIONS) private readonly definitions: Definitions,
    @Inject(BASES) private readonly bases: readonly string[],
    @Inject(CLOCK) clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
    @Inject(PLATFORM_SETTINGS) { CALLOSUM_AUTH_OIDC_ISSUER }: PlatformSettings,
  ) {
    this.issuer = CALLOSUM_AUTH_OIDC_ISSUER;
    this.started = clock.now();
  }

  async handle(request: FhirHttpRequest): Promise<FhirHttpResponse> {
    let interaction: Interaction | undefined;
    const share = this.bodies.share();
    try {
      const query = new URLSearchParams(request.url.split('?').slice(1).join('?'));
      requireJsonAccepted(header(request.headers, 'accept'), query.get('_format'));
      interaction = parseInteraction(request.method, request.url, (name) => this.definitions.isResourceType(name));
      const read = (): Promise<Buffer> => readBody(request.body, share);
      const response = await this.dispatch(interaction, { ...request, read });
      this.log(interaction, response.status);
      return response;
    } catch (error) {
      const { status, issues } = describeError(error);
      this.log(interaction, status, error);
      return {
        status,
        headers: {
          ...(status === 503 ? { 'retry-after': '5' } : {}),
          // The rest of the body is not read.
          ...(status === 413 || status === 503 ? { connection: 'close' } : {}),
        },
        body: outcome(...issues),
      };
    } finally {
      share.release();
    }
  }

  private dispatch(interaction: Interaction, request: Incoming): Promise<FhirHttpResponse> {
    const base = this.baseOf(request.headers);
    switch (interaction.kind) {
      case 'capabilities':
        return Promise.resolve(ok(capabilityStatement(this.definitions, base, this.started, this.issuer)));
      case 'read':
        return this.reads
          .read(interaction.resourceType, interaction.id)
          .then((version) => versionAnswer(version, request.headers));
      case 'vread':
        return this.reads
          .vread(interaction.resourceType, interaction.id, interaction.versionId)
          .then((version) => versionAnswer(version, request.headers));
      case 'history':
        return this.reads.history(interaction.resourceType, interaction.id, interaction.query, base).then(ok);
      case 'search':
        return this.search(interaction, request, base).then(ok);
      case 'bundle':
        return this.bundle(request, base);
      default:
        return this.write(interaction, request, base);
    }
  }

  private async search(
    interaction: Extract<Interaction, { kind: 'search' }>,
    request: Incoming,
    base: string,
  ): Promise<Bundle> {
    if (request.method !== 'POST') return this.reads.search(interaction.resourceType, interaction.query, base);
    const contentType = header(request.headers, 'content-type') ?? '';
    if (!contentType.startsWith('application/x-www-form-urlencoded'))
      throw new FhirError(415, 'not-supported', '_search takes application/x-www-form-urlencoded');
    const form = new URLSearchParams((await request.read()).toString('utf8'));
    for (const [name, value] of interaction.query) form.append(name, value);
    return this.reads.search(interaction.resourceType, form, base);
  }

  private async bundle(request: Incoming, base: string): Promise<FhirHttpResponse> {
    requireJson(header(request.headers, 'content-type'));
    const body = parseJson(await request.read());
    return ok(await this.bundles.run(body, { base, representation: preferred(request.headers) === 'representation' }));
  }

  private async write(interaction: WriteInteraction, request: Incoming, base: string): Promise<FhirHttpResponse> {
    const deleting = interaction.kind === 'delete';
    if (!deleting) requireJson(header(request.headers, 'content-type'));
    const ifMatch = header(request.headers, 'if-match');
    const ifNoneMatch = header(request.headers, 'if-none-match');
    const ifNoneExist = header(request.headers, 'if-none-exist');
    const write: WriteRequest = {
      interaction,
      ...(deleting ? {} : { body: parseJson(await request.read()) }),
      ...(ifMatch === undefined ? {} : { ifMatch }),
      ...(ifNoneMatch === undefined ? {} : { ifNoneMatch }),
      ...(ifNoneExist === undefined ? {} : { ifNoneExist }),
    };
    const [result] = await this.writes.run([write]);
    if (!result?.version?.resource)
      return { status: 204, headers: result?.version ? { etag: etag(result.version) } : {} };
    const { version, status } = result;
    const location = `${base}/${version.resourceType}/${version.id}/_history/${version.version}`;
    return {
      status,
      headers: { ...versionHeaders(version), location, 'content-location': location },
      ...written(version, preferred(request.headers)),
    };
  }

  /** The base the caller reached us under: links must lead back the same way, also through a port of its own. */
  private baseOf(headers: Headers): string {
    const configured = this.bases[0] ?? '';
    const host = header(headers, 'host') ?? '';
    if (
      !/^[A-Za-z0-9.-]{1,255}(:\d{1,5})?$|^\[[0-9a-f:]{2,39}\](:\d{1,5})?$/i.test(host) ||
      new URL(configured).host === host
    )
      return configured;
    return `http://${host}/fhir`;
  }

  /** Type and status only: a URL may hold a name or an identifier. */
  private log(interaction: Interaction | undefined, status: number, error?: unknown): void {
    const kind = interaction?.kind ?? 'none';
    const resourceType = interaction && 'resourceType' in interaction ? interaction.resourceType : undefined;
    const fields = { interaction: kind, status, ...(resourceType ? { resourceType } : {}) };
    if (error === undefined) this.logger.debug(fields, 'fhir.done');
    else if (status >= 500) this.logger.error({ ...fields, code: errorCode(error), err: error }, 'fhir.failed');
    else this.logger.info({ ...fields, code: errorCode(error) }, 'fhir.refused');
  }
}

const ok = (body: Resource): FhirHttpResponse => ({ status: 200, headers: {}, body });

const etag = ({ version }: StoredVersion): string => `W/"${version}"`;
const versionHeaders = (version: StoredVersion): Record<string, string> => ({
  etag: etag(version),
  'last-modified': version.lastUpdated.toUTCString(),
});

/** If-None-Match of a conditional read (R4 http, 3.1.0.2.1). */
function versionAnswer(version: StoredVersion & { resource: Resource }, headers: Headers): FhirHttpResponse {
  const known = header(headers, 'if-none-match');
  if (known?.split(',').some((one) => one.trim() === etag(version)))
    return { status: 304, headers: versionHeaders(version) };
  return { status: 200, headers: versionHeaders(version), body: version.resource };
}

type Preference = 'minimal' | 'representation' | 'OperationOutcome';

/** `Prefer: return=…` (R4 http, 3.1.0.1.7). */
function preferred(headers: Headers): Preference | undefined {
  return /(?:^|[,;\s])return=(minimal|representation|OperationOutcome)(?:$|[,;\s])/.exec(
    header(headers, 'prefer') ?? '',
  )?.[1] as Preference | undefined;
}

function written(version: StoredVersion, preference: Preference | undefined): { body?: Resource } {
  if (preference === 'minimal') return {};
  if (preference === 'OperationOutcome') return { body: okOutcome('written') };
  return version.resource ? { body: version.resource } : {};
}

function header(headers: Headers, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' || value === undefined ? value : value.join(', ');
}
