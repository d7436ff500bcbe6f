import { newId } from '@callosum/kernel';

import { parseReference } from './references.js';
import type { Bundle, BundleEntry, Reference, Resource } from './resources.js';
import { searchQuery, type SearchParams } from './search.js';

/**
 * Builds a transaction Bundle (R4 http, 3.1.0.11.2): all entries happen or none. Each method gives back the
 * reference other entries use for that resource; the server rewrites it to the resource's own URL.
 */
export class TransactionBuilder {
  private readonly entries: BundleEntry[] = [];

  /** Creates, unless `ifNoneExist` finds one already; more than one match fails the whole transaction. */
  create<T extends Resource>(
    resource: T,
    options: { ifNoneExist?: SearchParams } = {},
  ): Reference<T> & { reference: string } {
    const fullUrl = `urn:uuid:${newId()}`;
    const ifNoneExist = options.ifNoneExist ? { ifNoneExist: searchQuery(options.ifNoneExist) } : {};
    this.entries.push({ fullUrl, resource, request: { method: 'POST', url: resource.resourceType, ...ifNoneExist } });
    return { reference: fullUrl };
  }

  /** Updates by id. @param options.versionId fails the transaction (412) unless this is the current version */
  update<T extends Resource & { id: string }>(
    resource: T,
    options: { versionId?: string } = {},
  ): Reference<T> & { reference: string } {
    const url = `${resource.resourceType}/${resource.id}`;
    const ifMatch = options.versionId ? { ifMatch: `W/"${options.versionId}"` } : {};
    this.entries.push({ resource, request: { method: 'PUT', url, ...ifMatch } });
    return { reference: url };
  }

  /** Updates the one resource the criteria find, creates when they find none. */
  conditionalUpdate<T extends Resource>(resource: T, criteria: SearchParams): Reference<T> & { reference: string } {
    const fullUrl = `urn:uuid:${newId()}`;
    this.entries.push({
      fullUrl,
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}?${searchQuery(criteria)}` },
    });
    return { reference: fullUrl };
  }

  delete(resourceType: string, id: string): void {
    this.entries.push({ request: { method: 'DELETE', url: `${resourceType}/${id}` } });
  }

  get size(): number {
    return this.entries.length;
  }

  /** @throws TypeError when nothing was added: an empty transaction says nothing */
  build(): Bundle & { type: 'transaction' } {
    if (this.entries.length === 0) throw new TypeError('a transaction needs at least one entry');
    return { resourceType: 'Bundle', type: 'transaction', entry: [...this.entries] };
  }
}

/**
 * Where each entry of a transaction ended up: the reference given by the builder → "Type/id".
 * Entries keep their order in the response (R4 http, 3.1.0.11.3).
 */
export function resolvedReferences(request: Bundle, response: Bundle): Map<string, string> {
  const resolved = new Map<string, string>();
  request.entry?.forEach((entry, index) => {
    const answer = response.entry?.[index];
    const location = parseReference(answer?.response?.location) ?? parsedResource(answer?.resource);
    const key = entry.fullUrl ?? entry.request?.url;
    if (key && location) resolved.set(key, `${location.resourceType}/${location.id}`);
  });
  return resolved;
}

const parsedResource = (resource: Resource | undefined): { resourceType: string; id: string } | undefined =>
  resource?.id ? { resourceType: resource.resourceType, id: resource.id } : undefined;
