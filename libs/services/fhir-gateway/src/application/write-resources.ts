import { idPattern, type Resource } from '@callosum/fhir';
import { type Clock, newId } from '@callosum/kernel';

import { conditionalReference, referencesIn, rewriteLinks } from '../domain/bundle-references.js';
import type { Criteria } from '../domain/criteria.js';
import { badRequest, FhirError, multipleMatches } from '../domain/fhir-error.js';
import { isObject } from '../domain/json.js';
import { parseCriteria } from '../domain/parse-criteria.js';
import { lockKeys } from './lock-keys.js';
import {
  type Definitions,
  type ResourceStore,
  type ResourceWriter,
  type StoredVersion,
  type VersionToWrite,
} from './ports.js';
import {
  type CheckedWrite,
  checkVersion,
  claim,
  inEntry,
  linkResolver,
  saysTheSame,
  type Target,
  type WriteRequest,
  type WriteResult,
} from './write-request.js';

/**
 * Creates, updates and deletes, with their conditional forms, all or nothing in one database transaction
 * (R4 http, 3.1.0.11.2). A single HTTP write is a transaction of one.
 */
export class WriteResources {
  constructor(
    private readonly store: ResourceStore,
    private readonly definitions: Definitions,
    private readonly bases: readonly string[],
    private readonly clock: Clock,
  ) {}

  /**
   * @param read what else happens in the same transaction after the writes (GET entries)
   * @returns results in the order of the requests
   * @throws {FhirError} 400, 409, 412, 422; nothing was written
   */
  async run(
    requests: readonly WriteRequest[],
    read?: (writer: ResourceWriter) => Promise<void>,
  ): Promise<readonly WriteResult[]> {
    const writes: CheckedWrite[] = [];
    for (const request of requests) writes.push(await inEntry(request.place, () => this.check(request)));
    return this.store.transaction(lockKeys(writes, this.definitions), async (writer) => {
      const results = new Map<CheckedWrite, WriteResult>();
      const seen = new Set<string>();
      // Deletes first, then creates, then updates (3.1.0.11.2, rules 1 to 3).
      for (const write of writes) {
        const { interaction, place } = write.request;
        if (interaction.kind === 'delete')
          results.set(write, await inEntry(place, () => this.delete(writer, write, seen)));
      }
      const targets = await this.resolveTargets(writer, writes, seen);
      await this.writeAll(writer, targets, results);
      await read?.(writer);
      return writes.map((write) => results.get(write) ?? { status: 204 });
    });
  }

  private check(request: WriteRequest): CheckedWrite {
    const { interaction } = request;
    if (interaction.kind === 'delete') return { request };
    const resource = this.checkedResource(request);
    if (interaction.kind === 'conditional-update')
      return { request, resource, criteria: this.criteria(interaction.resourceType, interaction.query) };
    if (interaction.kind === 'create' && request.ifNoneExist !== undefined) {
      return {
        request,
        resource,
        criteria: this.criteria(interaction.resourceType, new URLSearchParams(request.ifNoneExist.replace(/^\?/, ''))),
      };
    }
    return { request, resource };
  }

  private checkedResource({ interaction, body }: WriteRequest): Resource {
    if (!isObject(body) || typeof body['resourceType'] !== 'string')
      throw badRequest('a resource with a resourceType is needed');
    if (body['resourceType'] !== interaction.resourceType)
      throw badRequest('resourceType differs from the type in the URL');
    const resource = { ...body } as unknown as Resource;
    if (interaction.kind === 'create') delete resource.id; // 3.1.0.8: the server assigns it
    if (interaction.kind === 'update') {
      if (resource.id !== interaction.id)
        throw badRequest('the id of the resource differs from the id in the URL', `${interaction.resourceType}.id`);
      if (!idPattern.test(interaction.id))
        throw badRequest('an id has 1 to 64 characters of A-Z a-z 0-9 - .', `${interaction.resourceType}.id`);
    }
    const issues = this.definitions
      .validate(resource)
      .filter(({ severity }) => severity === 'error' || severity === 'fatal');
    if (issues.length > 0)
      throw new FhirError(422, issues[0]?.code ?? 'invalid', `${interaction.resourceType} is not valid FHIR R4`, {
        issues,
      });
    return resource;
  }

  private criteria(resourceType: string, query: URLSearchParams): Criteria {
    const criteria = parseCriteria(resourceType, query, {
      parameters: (type) => this.definitions.parameters(type),
      bases: this.bases,
    });
    if (criteria.filters.length === 0)
      throw new FhirError(412, 'required', 'a condition without criteria would match anything');
    return { ...criteria, count: 1, offset: 0, sort: [], total: false, countOnly: false };
  }

  private async delete(writer: ResourceWriter, { request }: CheckedWrite, seen: Set<string>): Promise<WriteResult> {
    const { resourceType, id } = request.interaction as { resourceType: string; id: string };
    claim(seen, resourceType, id);
    const current = await writer.currentForUpdate(resourceType, id);
    checkVersion(request, current);
    if (!current?.resource) return { status: 204 };
    const version: StoredVersion = {
      resourceType,
      id,
      version: current.version + 1,
      lastUpdated: this.clock.now(),
      method: 'DELETE',
    };
    await writer.write([{ ...version, index: [] }]);
    return { status: 204, version };
  }

  private async resolveTargets(
    writer: ResourceWriter,
    writes: readonly CheckedWrite[],
    seen: Set<string>,
  ): Promise<Target[]> {
    const order = (kind: string): readonly CheckedWrite[] =>
      writes.filter(({ request }) => request.interaction.kind === kind);
    const targets: Target[] = [];
    const byCriteria = new Map<string, string>();
    for (const write of [...order('create'), ...order('update'), ...order('conditional-update')]) {
      const { interaction, place } = write.request;
      await inEntry(place, async () => {
        const target = await this.resolveTarget(writer, write, byCriteria);
        if (!target.keep) claim(seen, interaction.resourceType, target.id);
        targets.push(target);
      });
    }
    return targets;
  }

  private async resolveTarget(
    writer: ResourceWriter,
    write: CheckedWrite,
    byCriteria: Map<string, string>,
  ): Promise<Target> {
    const { interaction } = write.request;
    const { resourceType } = interaction;
    if (interaction.kind === 'update') {
      const current = await writer.currentForUpdate(resourceType, interaction.id);
      checkVersion(write.request, current);
      return { write, id: interaction.id, ...(current ? { current } : {}) };
    }
    if (!write.criteria) return { write, id: newId() };
    const key = JSON.stringify([resourceType, write.criteria.filters]);
    const earlier = byCriteria.get(key);
    // The same condition twice in one transaction: what the first made is what the second finds.
    if (earlier && interaction.kind === 'create') return { write, id: earlier, keep: true };
    const { matches } = await writer.search(write.criteria);
    const [match, another] = matches;
    if (another) throw multipleMatches(`the condition on ${resourceType} matches more than one`);
    const id = match?.id ?? write.resource?.id ?? newId();
    byCriteria.set(key, id);
    if (interaction.kind === 'create') return match ? { write, id, current: match, keep: true } : { write, id };
    if (match && write.resource?.id && write.resource.id !== match.id)
      throw badRequest('the condition matches a resource with another id', `${resourceType}.id`);
    const current = await writer.currentForUpdate(resourceType, id);
    const { ifMatch, ifNoneMatch } = write.request;
    if (match || (ifMatch ?? ifNoneMatch) !== undefined) checkVersion(write.request, current);
    if (!match && current?.resource)
      throw new FhirError(409, 'conflict', `a ${resourceType} with this id exists and does not match the condition`);
    return { write, id, ...(current ? { current } : {}) };
  }

  private async writeAll(
    writer: ResourceWriter,
    targets: readonly Target[],
    results: Map<CheckedWrite, WriteResult>,
  ): Promise<void> {
    const resolve = linkResolver(targets);
    const now = this.clock.now();
    const written = new Map<string, VersionToWrite>();
    const versions: VersionToWrite[] = [];
    for (const target of targets) {
      const { write, current } = target;
      if (target.keep) continue;
      const resource = await inEntry(write.request.place, () =>
        linked(write.resource as Resource, (link) => resolve(link, write.request.fullUrl)),
      );
      if (current && saysTheSame(resource, current)) {
        results.set(write, { status: 200, version: current });
        continue;
      }
      const version = this.versionOf(target, now, resource);
      versions.push(version);
      written.set(`${version.resourceType}/${version.id}`, version);
      results.set(write, { status: current?.resource ? 200 : 201, version });
    }
    await writer.write(versions);
    await this.resolveConditionalReferences(writer, versions, targets, results);
    for (const { write, id, current, keep } of targets) {
      if (!keep) continue;
      const version = current ?? written.get(`${write.request.interaction.resourceType}/${id}`);
      results.set(write, { status: 200, ...(version ? { version } : {}) });
    }
  }

  private versionOf({ write, id, current }: Target, now: Date, written: Resource): VersionToWrite {
    const version = (current?.version ?? 0) + 1;
    // A clock set back must not make a newer version look older.
    const lastUpdated = current && current.lastUpdated >= now ? new Date(current.lastUpdated.getTime() + 1) : now;
    const { resourceType, id: _id, meta, ...rest } = written as Resource & Record<string, unknown>;
    const resource = {
      resourceType,
      id,
      meta: { ...meta, versionId: String(version), lastUpdated: lastUpdated.toISOString() },
      ...rest,
    } as unknown as Resource;
    const method = write.request.interaction.kind === 'create' ? 'POST' : 'PUT';
    return { resourceType, id, version, lastUpdated, method, resource, index: this.definitions.index(resource) };
  }

  /** Rule 5 of 3.1.0.11.2: after all writes, so that they find what this transaction made. */
  private async resolveConditionalReferences(
    writer: ResourceWriter,
    versions: readonly VersionToWrite[],
    targets: readonly Target[],
    results: Map<CheckedWrite, WriteResult>,
  ): Promise<void> {
    const resolved = new Map<string, string>();
    for (const [write, { version }] of results) {
      for (const reference of referencesIn(version?.resource)) {
        if (resolved.has(reference) || !conditionalReference.test(reference)) continue;
        const target = await inEntry(write.request.place, () => this.conditionalTarget(writer, reference));
        resolved.set(reference, target);
      }
    }
    if (resolved.size === 0) return;
    const amended = versions.flatMap((version): VersionToWrite[] => {
      if (![...referencesIn(version.resource)].some((reference) => resolved.has(reference))) return [];
      const resource = rewriteLinks(version.resource as Resource, (link, element) =>
        element === 'reference' ? resolved.get(link) : undefined,
      );
      return [{ ...version, resource, index: this.definitions.index(resource) }];
    });
    await writer.amend(amended);
    const byKey = new Map(amended.map((version) => [`${version.resourceType}/${version.id}`, version]));
    for (const { write } of targets) {
      const result = results.get(write);
      const version = result?.version && byKey.get(`${result.version.resourceType}/${result.version.id}`);
      if (result && version) results.set(write, { ...result, version });
    }
  }

  private async conditionalTarget(writer: ResourceWriter, reference: string): Promise<string> {
    const [, type = '', query = ''] = conditionalReference.exec(reference) ?? [];
    if (!this.definitions.isResourceType(type))
      throw badRequest('a conditional reference names no resource type of R4');
    const { matches } = await writer.search(this.criteria(type, new URLSearchParams(query)));
    const [match, another] = matches;
    if (another) throw multipleMatches(`a conditional reference to ${type} matches more than one`);
    if (!match) throw new FhirError(412, 'not-found', `a conditional reference to ${type} matches nothing`);
    return `${type}/${match.id}`;
  }
}

/** @throws {FhirError} 400 when a reference leads to no entry */
function linked(resource: Resource, resolve: (link: string) => string | undefined): Resource {
  const rewritten = rewriteLinks(resource, resolve);
  for (const reference of referencesIn(rewritten)) {
    if (/^urn:uuid:/i.test(reference)) throw badRequest('a urn:uuid reference points to no entry of this transaction');
  }
  return rewritten;
}
