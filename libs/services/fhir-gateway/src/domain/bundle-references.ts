import type { Resource } from '@callosum/fhir';

import { isObject } from './json.js';

/** `Type?criteria` in Reference.reference (R4 http, conditional references). */
export const conditionalReference = /^([A-Z][A-Za-z]{1,63})\?(.+)$/s;

/** Elements that hold a link to another entry (R4 http, 3.1.0.11.2: Reference, uri, url, uuid; never Identifier.value). */
const linkElements = new Set(['reference', 'url', 'valueUri', 'valueUrl', 'valueUuid']);

/** A copy of the resource in which every link went through `rewrite`; undefined leaves a link as it is. */
export function rewriteLinks<T extends Resource>(
  resource: T,
  rewrite: (link: string, element: string) => string | undefined,
): T {
  return rewriteValue('', resource, rewrite) as T;
}

function rewriteValue(
  element: string,
  value: unknown,
  rewrite: (link: string, element: string) => string | undefined,
): unknown {
  if (Array.isArray(value)) return value.map((item) => rewriteValue(element, item, rewrite));
  if (isObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, rewriteValue(name, item, rewrite)]));
  }
  if (typeof value !== 'string') return value;
  if (linkElements.has(element)) return rewrite(value, element) ?? value;
  if (element === 'div' && value.includes('urn:uuid:')) {
    return value.replace(
      /((?:href|src)=")(urn:uuid:[0-9a-f-]{36})(")/gi,
      (all, before: string, link: string, after: string) => {
        const target = rewrite(link, element);
        return target ? `${before}${target}${after}` : all;
      },
    );
  }
  return value;
}

/** All values of Reference.reference in a resource. */
export function* referencesIn(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const item of value) yield* referencesIn(item);
  else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) {
      if (name === 'reference' && typeof item === 'string') yield item;
      else yield* referencesIn(item);
    }
  }
}
