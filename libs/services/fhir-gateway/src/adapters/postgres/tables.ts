import type { Resource } from '@callosum/fhir';
import type { ColumnType, Generated } from 'kysely';

/** Which version of a resource is current. */
export interface ResourceTable {
  resource_type: string;
  id: string;
  version: number;
  deleted: boolean;
  last_updated: Date;
  /** Order of creation: searches page by it. */
  seq: Generated<number>;
}

/** Every version there was; content is null for a deletion. */
export interface ResourceVersionTable {
  resource_type: string;
  id: string;
  version: number;
  method: 'POST' | 'PUT' | 'DELETE';
  last_updated: Date;
  content: ColumnType<Resource | null, string | null, string | null>;
}

/** Searchable values of current versions; see IndexEntry. */
export interface SearchIndexTable {
  resource_type: string;
  id: string;
  param: string;
  system: string | null;
  value: string | null;
  low: ColumnType<Date | null, string | null, never>;
  high: ColumnType<Date | null, string | null, never>;
}

export interface FhirGatewayTables {
  resource: ResourceTable;
  resource_version: ResourceVersionTable;
  search_index: SearchIndexTable;
}
