import type { Bundle, BundleEntry, OperationOutcome, OperationOutcomeIssue } from '@callosum/fhir';
import { outcome } from '@callosum/fhir';
import { Inject, Injectable } from '@nestjs/common';

import { badRequest, FhirError } from '../domain/fhir-error.js';
import { isObject, type JsonObject } from '../domain/json.js';
import { limits } from '../domain/limits.js';
import { describeError } from './describe-error.js';
import { type Interaction, parseInteraction, type WriteInteraction } from './interaction.js';
import { DEFINITIONS, type Definitions, type ResourceReader, type ResourceWriter } from './ports.js';
import { metadata, ReadResources } from './read-resources.js';
import { inEntry, linkKey, type WriteRequest, type WriteResult } from './write-request.js';
import { WriteResources } from './write-resources.js';

interface Entry {
  readonly place: string;
  readonly interaction: Interaction;
  readonly write?: WriteRequest;
}
type ReadInteraction = Extract<Interaction, { kind: 'read' | 'search' }>;

const writeKinds: ReadonlySet<string> = new Set<WriteInteraction['kind']>([
  'create',
  'update',
  'conditional-update',
  'delete',
]);

export interface BundleOptions {
  readonly base: string;
  /** Written resources stand in the response (`Prefer: return=representation`). */
  readonly representation: boolean;
}

/**
 * batch and transaction (R4 http, 3.1.0.11). Our own, because the router's processor runs at most eight entries
 * with a condition, resolves conditions outside the database transaction and leaves conditional references alone.
 */
@Injectable()
export class ProcessBundle {
  constructor(
    @Inject(WriteResources) private readonly writes: WriteResources,
    @Inject(ReadResources) private readonly reads: ReadResources,
    @Inject(DEFINITIONS) private readonly definitions: Definitions,
  ) {}

  /** @throws {FhirError} when it is no batch or transaction, or when the transaction failed as a whole */
  async run(body: JsonObject, options: BundleOptions): Promise<Bundle> {
    if (body['resourceType'] !== 'Bundle') throw badRequest('only a Bundle can be posted to the base');
    const entries = body['entry'] ?? [];
    if (!Array.isArray(entries)) throw badRequest('entry must be an array', 'Bundle.entry');
    if (entries.length > limits.bundleEntriesMax)
      throw new FhirError(413, 'too-costly', `a Bundle takes at most ${limits.bundleEntriesMax} entries`);
    requireOwnFullUrls(entries);
    if (body['type'] === 'transaction')
      return { resourceType: 'Bundle', type: 'transaction-response', entry: await this.transaction(entries, options) };
    if (body['type'] === 'batch')
      return { resourceType: 'Bundle', type: 'batch-response', entry: await this.batch(entries, options) };
    throw badRequest('only a batch or a transaction can be posted to the base', 'Bundle.type');
  }

  private async transaction(raw: readonly unknown[], options: BundleOptions): Promise<BundleEntry[]> {
    const entries = raw.map((entry, index) => this.parse(entry, `Bundle.entry[${index}]`));
    const reads = new Map<Entry, BundleEntry>();
    const writing = entries.filter(({ write }) => write !== undefined);
    const results = await this.writes.run(
      writing.map(({ write, place }) => ({ ...(write as WriteRequest), place })),
      async (writer: ResourceWriter) => {
        for (const entry of entries)
          if (!entry.write) reads.set(entry, await inEntry(entry.place, () => this.read(entry, options, writer)));
      },
    );
    const byEntry = new Map(writing.map((entry, index) => [entry, results[index]]));
    return entries.map((entry) => reads.get(entry) ?? response(byEntry.get(entry) ?? { status: 204 }, options));
  }

  private async batch(raw: readonly unknown[], options: BundleOptions): Promise<BundleEntry[]> {
    const answers: BundleEntry[] = [];
    // One after the other: a batch is a convenience, not a way to take all database connections.
    for (const [index, one] of raw.entries()) {
      try {
        const entry = this.parse(one, `Bundle.entry[${index}]`);
        if (!entry.write) answers.push(await this.read(entry, options));
        else answers.push(response((await this.writes.run([entry.write]))[0] ?? { status: 204 }, options));
      } catch (error) {
        const { status, issues } = describeError(error);
        // Without a database the rest fails too, and none of it would be told apart from a refused entry.
        if (status === 503 && index === 0) throw error;
        answers.push({ response: { status: String(status), outcome: toOutcome(issues) } });
      }
    }
    return answers;
  }

  private parse(raw: unknown, place: string): Entry {
    const request = isObject(raw) ? raw['request'] : undefined;
    if (!isObject(raw) || !isObject(request)) throw badRequest('an entry needs a request', place);
    const { method, url } = request;
    if (typeof method !== 'string' || typeof url !== 'string')
      throw badRequest('a request needs a method and a url', `${place}.request`);
    const interaction = this.interactionOf(method, url, place);
    if (writeKinds.has(interaction.kind)) {
      const write: WriteRequest = {
        interaction: interaction as WriteInteraction,
        ...(raw['resource'] === undefined ? {} : { body: raw['resource'] }),
        ...text('fullUrl', raw['fullUrl']),
        ...text('ifMatch', request['ifMatch']),
        ...text('ifNoneMatch', request['ifNoneMatch']),
        ...text('ifNoneExist', request['ifNoneExist']),
      };
      return { place, interaction, write };
    }
    if (interaction.kind !== 'read' && interaction.kind !== 'search')
      throw new FhirError(400, 'not-supported', 'an entry can read, search or write', {
        expression: `${place}.request`,
      });
    return { place, interaction };
  }

  private interactionOf(method: string, url: string, place: string): Interaction {
    try {
      return parseInteraction(method, url.replace(/^\//, ''), (name) => this.definitions.isResourceType(name));
    } catch (error) {
      throw error instanceof FhirError ? error.within(place) : error;
    }
  }

  private async read(entry: Entry, { base }: BundleOptions, reader?: ResourceReader): Promise<BundleEntry> {
    const interaction = entry.interaction as ReadInteraction;
    if (interaction.kind === 'search') {
      return {
        resource: await this.reads.search(interaction.resourceType, interaction.query, base, reader),
        response: { status: '200' },
      };
    }
    const version = await this.reads.read(interaction.resourceType, interaction.id, reader);
    return { resource: version.resource, response: { status: '200', ...metadata(version) } };
  }
}

/** Bundle invariant bdl-7: what an entry is called, no other entry is. @throws {FhirError} 400 */
function requireOwnFullUrls(entries: readonly unknown[]): void {
  const seen = new Set<string>();
  for (const [index, entry] of entries.entries()) {
    const fullUrl = isObject(entry) ? entry['fullUrl'] : undefined;
    if (typeof fullUrl !== 'string') continue;
    const key = linkKey(fullUrl);
    if (seen.has(key)) throw badRequest('two entries have the same fullUrl', `Bundle.entry[${index}].fullUrl`);
    seen.add(key);
  }
}

function response({ status, version }: WriteResult, { representation }: BundleOptions): BundleEntry {
  if (!version) return { response: { status: String(status) } };
  const location = `${version.resourceType}/${version.id}/_history/${version.version}`;
  return {
    ...(representation && version.resource ? { resource: version.resource } : {}),
    response: { status: String(status), ...(version.resource ? { location } : {}), ...metadata(version) },
  };
}

const text = <K extends string>(key: K, value: unknown): Partial<Record<K, string>> =>
  (typeof value === 'string' ? { [key]: value } : {}) as Partial<Record<K, string>>;

const toOutcome = (issues: readonly OperationOutcomeIssue[]): OperationOutcome => outcome(...issues);
