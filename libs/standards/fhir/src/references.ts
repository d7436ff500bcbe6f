import type { Reference, Resource } from './resources.js';

/** R4 datatypes, id: 1 to 64 of A–Z a–z 0–9 "-" ".". */
export const idPattern = /^[A-Za-z0-9\-.]{1,64}$/;

export interface ParsedReference {
  /** Server base of an absolute reference; absent for a relative one. */
  readonly base?: string;
  readonly resourceType: string;
  readonly id: string;
  readonly versionId?: string;
}

const literal =
  /^(?:(https?:\/\/\S+?)\/)?([A-Z][A-Za-z]{1,63})\/([A-Za-z0-9\-.]{1,64})(?:\/_history\/([A-Za-z0-9\-.]{1,64}))?$/;

/** Parses "Patient/1", "https://server/fhir/Patient/1/_history/2"; undefined for urn:, #contained, conditional or malformed ones. */
export function parseReference(reference: string | undefined): ParsedReference | undefined {
  const match = literal.exec(reference ?? '');
  if (!match?.[2] || !match[3]) return undefined;
  return {
    ...(match[1] ? { base: match[1] } : {}),
    resourceType: match[2],
    id: match[3],
    ...(match[4] ? { versionId: match[4] } : {}),
  };
}

/** Relative literal reference to a resource that has an id. @throws TypeError when it has none */
export function referenceTo<T extends Resource>(resource: T): Reference<T> & { reference: string } {
  if (!resource.id) throw new TypeError(`${resource.resourceType} without id cannot be referred to`);
  return { reference: `${resource.resourceType}/${resource.id}` };
}
