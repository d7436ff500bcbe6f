import type { Resource } from '@callosum/fhir';

import type { StoredVersion, VersionToWrite } from '../../application/ports.js';
import type { IndexEntry } from '../../domain/search-value.js';
import { exactKey, prefixKey } from './index-value.js';
import { timestampText } from './timestamp.js';

/** Versions as rows of `resource`, `resource_version` and `search_index`, and back. */
export const keyOf = ({ resourceType, id }: StoredVersion) => ({ resource_type: resourceType, id });
export const headOf = ({ version, resource, lastUpdated }: StoredVersion) => ({
  version,
  deleted: resource === undefined,
  last_updated: lastUpdated,
});
export const toContent = (resource: Resource | undefined): string | null =>
  resource ? JSON.stringify(resource) : null;

export function toVersion(row: {
  resource_type: string;
  id: string;
  version: number;
  method: 'POST' | 'PUT' | 'DELETE';
  last_updated: Date;
  content: Resource | null;
}): StoredVersion {
  return {
    resourceType: row.resource_type,
    id: row.id,
    version: row.version,
    lastUpdated: row.last_updated,
    method: row.method,
    ...(row.content ? { resource: row.content } : {}),
  };
}

export function toIndexRow({ resourceType, id }: VersionToWrite, entry: IndexEntry) {
  // Strings are searched by their beginning and keep their own writing beside the normalised one.
  const system =
    entry.text !== undefined ? prefixKey(entry.text) : entry.system === undefined ? null : exactKey(entry.system);
  const value =
    entry.value === undefined ? null : entry.text === undefined ? exactKey(entry.value) : prefixKey(entry.value);
  return {
    resource_type: resourceType,
    id,
    param: entry.param,
    system,
    value,
    low: entry.from === undefined ? null : timestampText(entry.from),
    high: entry.to === undefined ? null : timestampText(entry.to),
  };
}
