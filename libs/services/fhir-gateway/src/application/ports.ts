import type { OperationOutcomeIssue, Resource } from '@callosum/fhir';

import type { Criteria, ParameterDefinition } from '../domain/criteria.js';
import type { IndexEntry } from '../domain/search-value.js';

/** One version of a resource. `resource` is absent when this version is its deletion. */
export interface StoredVersion {
  readonly resourceType: string;
  readonly id: string;
  readonly version: number;
  readonly lastUpdated: Date;
  readonly method: 'POST' | 'PUT' | 'DELETE';
  readonly resource?: Resource;
}

export interface VersionToWrite extends StoredVersion {
  readonly index: readonly IndexEntry[];
}

/** What must not change while a transaction decides; equal keys exclude each other, shared ones let each other pass. */
export interface LockKey {
  readonly key: string;
  readonly exclusive: boolean;
}

export interface SearchResult {
  readonly matches: readonly StoredVersion[];
  /** Of all pages; absent when it was not asked for. */
  readonly total?: number;
}

export interface ResourceReader {
  /** The current version, deleted or not. */
  current(resourceType: string, id: string): Promise<StoredVersion | undefined>;
  version(resourceType: string, id: string, version: number): Promise<StoredVersion | undefined>;
  /** Newest first. */
  history(
    resourceType: string,
    id: string,
    page: { count: number; offset: number },
  ): Promise<{ versions: readonly StoredVersion[]; total: number }>;
  search(criteria: Criteria): Promise<SearchResult>;
}

/** Inside one database transaction. */
export interface ResourceWriter extends ResourceReader {
  /** Like `current`, and nobody else changes it before this transaction ends. */
  currentForUpdate(resourceType: string, id: string): Promise<StoredVersion | undefined>;
  /** Adds versions and makes them current, search index included. */
  write(versions: readonly VersionToWrite[]): Promise<void>;
  /** Replaces content and index of versions written in this same transaction. */
  amend(versions: readonly VersionToWrite[]): Promise<void>;
}

export interface ResourceStore extends ResourceReader {
  /** Runs `work` in one transaction while it holds `locks`; all or nothing. May run it again after a deadlock. */
  transaction<T>(locks: readonly LockKey[], work: (writer: ResourceWriter) => Promise<T>): Promise<T>;
}

/** What the R4 definitions say. */
export interface Definitions {
  /** Concrete resource types of R4, sorted. */
  readonly resourceTypes: readonly string[];
  isResourceType(name: string): boolean;
  /** Search parameters of a type that are indexed, by code. */
  parameters(resourceType: string): ReadonlyMap<string, ParameterDefinition>;
  /** Structure, cardinality, invariants and required bindings; empty when the resource conforms. */
  validate(resource: Resource): readonly OperationOutcomeIssue[];
  /** Values of every search parameter of the resource. */
  index(resource: Resource): readonly IndexEntry[];
}

export const RESOURCE_STORE = Symbol('fhir-gateway.resource-store');
export const DEFINITIONS = Symbol('fhir-gateway.definitions');
/** Bases under which this server is known, without trailing slash. */
export const BASES = Symbol('fhir-gateway.bases');
