import type { Bundle, BundleEntry, Resource } from '@callosum/fhir';
import { Inject, Injectable } from '@nestjs/common';

import { FhirError } from '../domain/fhir-error.js';
import { limits } from '../domain/limits.js';
import { parseCriteria } from '../domain/parse-criteria.js';
import {
  BASES,
  DEFINITIONS,
  type Definitions,
  RESOURCE_STORE,
  type ResourceReader,
  type ResourceStore,
  type StoredVersion,
} from './ports.js';

/** Read, vread, history and search (R4 http, 3.1.0.2 to 3.1.0.12). `base` is the URL the caller reached us under. */
@Injectable()
export class ReadResources {
  constructor(
    @Inject(RESOURCE_STORE) private readonly store: ResourceStore,
    @Inject(DEFINITIONS) private readonly definitions: Definitions,
    @Inject(BASES) private readonly bases: readonly string[],
  ) {}

  /** @throws {FhirError} 404, or 410 when it was deleted */
  async read(
    resourceType: string,
    id: string,
    reader: ResourceReader = this.store,
  ): Promise<StoredVersion & { resource: Resource }> {
    return present(await reader.current(resourceType, id));
  }

  /** @throws {FhirError} 404, or 410 when this version is the deletion */
  async vread(resourceType: string, id: string, versionId: string): Promise<StoredVersion & { resource: Resource }> {
    const version = /^[1-9]\d{0,14}$/.test(versionId) ? Number(versionId) : 0;
    return present(version === 0 ? undefined : await this.store.version(resourceType, id, version));
  }

  async history(resourceType: string, id: string, query: URLSearchParams, base: string): Promise<Bundle> {
    const count = Math.min(positive(query.get('_count')) ?? limits.searchCountDefault, limits.historyCountMax);
    const offset = positive(query.get('_offset')) ?? 0;
    const { versions, total } = await this.store.history(resourceType, id, { count, offset });
    if (total === 0) throw new FhirError(404, 'not-found', 'no such resource');
    const path = `${resourceType}/${id}`;
    const next =
      count > 0 && offset + count < total
        ? `${base}/${path}/_history?_count=${count}&_offset=${offset + count}`
        : undefined;
    const entry = versions.map((version): BundleEntry => ({
      fullUrl: `${base}/${path}`,
      ...(version.resource ? { resource: version.resource } : {}),
      request: { method: version.method, url: version.method === 'POST' ? resourceType : path },
      response: { status: version.version === 1 ? '201' : version.resource ? '200' : '204', ...metadata(version) },
    }));
    return {
      resourceType: 'Bundle',
      type: 'history',
      total,
      ...(next ? { link: [{ relation: 'next', url: next }] } : {}),
      ...(entry.length > 0 ? { entry } : {}),
    };
  }

  async search(
    resourceType: string,
    query: URLSearchParams,
    base: string,
    reader: ResourceReader = this.store,
  ): Promise<Bundle> {
    const criteria = parseCriteria(resourceType, query, {
      parameters: (type) => this.definitions.parameters(type),
      bases: [...this.bases, base],
    });
    const { matches, total } = await reader.search(criteria);
    const page = (offset: number): string => {
      const parameters = new URLSearchParams(query);
      parameters.set('_offset', String(offset));
      parameters.set('_count', String(criteria.count));
      return `${base}/${resourceType}?${parameters.toString()}`;
    };
    // One more match than the page holds was asked for: its presence is the next page.
    const more = matches.length > criteria.count && criteria.offset + criteria.count <= limits.searchOffsetMax;
    const entry = matches.slice(0, criteria.count).map(({ resource, id }): BundleEntry => ({
      fullUrl: `${base}/${resourceType}/${id}`,
      ...(resource ? { resource } : {}),
      search: { mode: 'match' },
    }));
    return {
      resourceType: 'Bundle',
      type: 'searchset',
      ...(total === undefined ? {} : { total }),
      link: [
        { relation: 'self', url: page(criteria.offset) },
        ...(more && !criteria.countOnly ? [{ relation: 'next', url: page(criteria.offset + criteria.count) }] : []),
      ],
      ...(entry.length > 0 ? { entry } : {}),
    };
  }
}

function present(version: StoredVersion | undefined): StoredVersion & { resource: Resource } {
  if (!version) throw new FhirError(404, 'not-found', 'no such resource');
  if (!version.resource) throw new FhirError(410, 'deleted', 'the resource was deleted');
  return { ...version, resource: version.resource };
}

const positive = (text: string | null): number | undefined =>
  text && /^\d{1,9}$/.test(text) ? Number(text) : undefined;

/** ETag and Last-Modified of a version, as a Bundle entry's response states them. */
export const metadata = ({ version, lastUpdated }: StoredVersion): { etag: string; lastModified: string } => ({
  etag: `W/"${version}"`,
  lastModified: lastUpdated.toISOString(),
});
