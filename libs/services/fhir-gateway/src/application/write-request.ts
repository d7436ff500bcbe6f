import { isDeepStrictEqual } from 'node:util';

import type { Resource } from '@callosum/fhir';

import type { Criteria } from '../domain/criteria.js';
import { badRequest, FhirError } from '../domain/fhir-error.js';
import type { WriteInteraction } from './interaction.js';
import type { StoredVersion } from './ports.js';

/** A write as asked for, by HTTP or as a Bundle entry. */
export interface WriteRequest {
  readonly interaction: WriteInteraction;
  /** As received; absent for a delete. */
  readonly body?: unknown;
  readonly ifMatch?: string;
  readonly ifNoneMatch?: string;
  readonly ifNoneExist?: string;
  readonly fullUrl?: string;
  /** Of a transaction's entry: "Bundle.entry[3]". */
  readonly place?: string;
}

export interface WriteResult {
  /** 200, 201, or 204 for a delete. */
  readonly status: 200 | 201 | 204;
  /** Absent when a delete found nothing. */
  readonly version?: StoredVersion;
}

/** A request whose resource is valid and whose criteria are parsed. */
export interface CheckedWrite {
  readonly request: WriteRequest;
  readonly resource?: Resource;
  readonly criteria?: Criteria;
}

/** Where a write goes, once conditions are resolved. */
export interface Target {
  readonly write: CheckedWrite;
  readonly id: string;
  readonly current?: StoredVersion;
  /** The condition found one: nothing is written. */
  readonly keep?: boolean;
}

export function claim(seen: Set<string>, resourceType: string, id: string): void {
  const key = `${resourceType}/${id}`;
  if (seen.has(key)) throw badRequest('two entries of a transaction address the same resource');
  seen.add(key);
}

/** Does `work`; what it refuses is refused of the entry at `place`. */
export async function inEntry<T>(place: string | undefined, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw place !== undefined && error instanceof FhirError ? error.within(place) : error;
  }
}

/**
 * If-Match (R4 http, 3.1.0.5): the version must be the current one. If-None-Match (RFC 9110, 13.1.2): with `*` there
 * must be none, with ETags none of them may be current.
 */
export function checkVersion({ ifMatch, ifNoneMatch }: WriteRequest, current: StoredVersion | undefined): void {
  if (ifNoneMatch !== undefined && current?.resource) {
    const unwanted = ifNoneMatch.split(',').map((one) => one.trim().replace(/^W\//, ''));
    if (unwanted.includes('*') || unwanted.includes(`"${current.version}"`))
      throw new FhirError(412, 'conflict', 'the resource exists in a version that If-None-Match excludes');
  }
  if (ifMatch === undefined) return;
  const wanted = /^(?:W\/)?"([^"]+)"$/.exec(ifMatch.trim())?.[1];
  if (wanted === undefined) throw badRequest('If-Match needs the form W/"1"');
  if (!current?.resource || String(current.version) !== wanted)
    throw new FhirError(412, 'conflict', 'the resource has another version than If-Match asks for');
}

/**
 * Whether an update would change nothing: then there is no new version of it (R4 http, 3.1.0.7 leaves that to the
 * server). Who repeats a transaction after a crash does not make a history of it. References with a condition are not
 * resolved here, and count as a change.
 */
export function saysTheSame(resource: Resource, current: StoredVersion): boolean {
  return current.resource !== undefined && isDeepStrictEqual(content(resource), content(current.resource));
}

/** Without what a server assigns to a version of a resource. */
function content({ id: _id, meta, ...rest }: Resource): unknown {
  const { versionId: _versionId, lastUpdated: _lastUpdated, ...own } = meta ?? {};
  return { ...rest, meta: own };
}

/** What makes two links the same: ids are case-sensitive (R4 datatypes, id), the hexadecimal digits of a UUID are not. */
export const linkKey = (link: string): string => (/^urn:uuid:/i.test(link) ? link.toLowerCase() : link);

/** Turns a fullUrl, or a relative link beside a fullUrl of the same server, into "Type/id". */
export function linkResolver(
  targets: readonly Target[],
): (link: string, fullUrl: string | undefined) => string | undefined {
  const byFullUrl = new Map<string, string>();
  for (const { write, id } of targets) {
    if (write.request.fullUrl)
      byFullUrl.set(linkKey(write.request.fullUrl), `${write.request.interaction.resourceType}/${id}`);
  }
  return (link, fullUrl) => {
    const direct = byFullUrl.get(linkKey(link));
    if (direct || !fullUrl?.startsWith('http')) return direct;
    const base = fullUrl.split('/').slice(0, -2).join('/');
    return byFullUrl.get(linkKey(`${base}/${link}`));
  };
}
