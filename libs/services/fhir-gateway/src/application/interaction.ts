import { Router, type HttpMethod } from '@medplum/fhir-router';

import { badRequest, FhirError } from '../domain/fhir-error.js';
import { limits } from '../domain/limits.js';

/** RESTful interactions this server offers (R4 http, 3.1.0.0), as parsed from method and URL. */
export type Interaction =
  | { readonly kind: 'read'; readonly resourceType: string; readonly id: string }
  | { readonly kind: 'vread'; readonly resourceType: string; readonly id: string; readonly versionId: string }
  | { readonly kind: 'history'; readonly resourceType: string; readonly id: string; readonly query: URLSearchParams }
  | { readonly kind: 'search'; readonly resourceType: string; readonly query: URLSearchParams }
  | WriteInteraction
  | { readonly kind: 'bundle' }
  | { readonly kind: 'capabilities' };

export type WriteInteraction =
  | { readonly kind: 'create'; readonly resourceType: string }
  | { readonly kind: 'update'; readonly resourceType: string; readonly id: string }
  | { readonly kind: 'conditional-update'; readonly resourceType: string; readonly query: URLSearchParams }
  | { readonly kind: 'delete'; readonly resourceType: string; readonly id: string };

type Parameters = Readonly<Record<string, string>>;
type Build = (parameters: Parameters, query: URLSearchParams) => Interaction;

const type = (parameters: Parameters): string => parameters['resourceType'] ?? '';
const id = (parameters: Parameters): string => parameters['id'] ?? '';

/** Every route; the CapabilityStatement lists what stands here and nothing else. */
const routes: readonly (readonly [HttpMethod, string, Build])[] = [
  ['GET', 'metadata', () => ({ kind: 'capabilities' })],
  ['POST', '', () => ({ kind: 'bundle' })],
  ['GET', ':resourceType', (p, query) => ({ kind: 'search', resourceType: type(p), query })],
  ['POST', ':resourceType/_search', (p, query) => ({ kind: 'search', resourceType: type(p), query })],
  ['POST', ':resourceType', (p) => ({ kind: 'create', resourceType: type(p) })],
  ['PUT', ':resourceType', (p, query) => ({ kind: 'conditional-update', resourceType: type(p), query })],
  ['GET', ':resourceType/:id', (p) => ({ kind: 'read', resourceType: type(p), id: id(p) })],
  ['PUT', ':resourceType/:id', (p) => ({ kind: 'update', resourceType: type(p), id: id(p) })],
  ['DELETE', ':resourceType/:id', (p) => ({ kind: 'delete', resourceType: type(p), id: id(p) })],
  ['GET', ':resourceType/:id/_history', (p, query) => ({ kind: 'history', resourceType: type(p), id: id(p), query })],
  [
    'GET',
    ':resourceType/:id/_history/:vid',
    (p) => ({ kind: 'vread', resourceType: type(p), id: id(p), versionId: p['vid'] ?? '' }),
  ],
];

const router = new Router<Build, { readonly method: string }>();
for (const [method, path, build] of routes) router.add(method, path, build, { method });

const methods: readonly HttpMethod[] = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'];

/**
 * Parses a request line relative to the base ("Patient/1", "Patient?identifier=…").
 * @throws {FhirError} 404 for an unknown path or resource type, 405 for a method the path does not offer
 */
export function parseInteraction(method: string, url: string, isResourceType: (name: string) => boolean): Interaction {
  const [path = '', ...rest] = url.split('?');
  const search = rest.join('?');
  if (search.length > limits.queryCharsMax)
    throw badRequest(`a query is limited to ${limits.queryCharsMax} characters`);
  const asked = (method === 'HEAD' ? 'GET' : method) as HttpMethod;
  const found = router.find(asked, path);
  if (!found) {
    const known = methods.some((other) => router.find(other, path) !== undefined);
    if (known)
      throw new FhirError(
        405,
        'not-supported',
        `${methods.includes(asked) ? asked : 'this method'} is not offered here`,
      );
    throw new FhirError(404, 'not-found', 'no such path');
  }
  const interaction = found.handler(found.params, new URLSearchParams(search));
  if ('resourceType' in interaction && !isResourceType(interaction.resourceType)) {
    throw new FhirError(404, 'not-supported', 'no such resource type in FHIR R4');
  }
  return interaction;
}
