import { accessTo, methods, routes } from '@callosum/auth';
import { operations } from '@callosum/contracts';
import { type Type } from '@nestjs/common';
import { describe, expect, it } from 'vitest';

import { services } from './services.js';

// Nest's RequestMethod by number.
const verbs = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'ANY', 'OPTIONS', 'HEAD'];

/** Every HTTP route of a module and of what it imports, as Fastify will have it. */
function routesOf(module: Type): string[] {
  const controllers = (Reflect.getMetadata('controllers', module) ?? []) as Type[];
  const imports = (Reflect.getMetadata('imports', module) ?? []) as Type[];
  return [...controllers.flatMap(routesOfController), ...imports.flatMap(routesOf)];
}

function routesOfController(controller: Type): string[] {
  const bases = [Reflect.getMetadata('path', controller) as string | string[]].flat();
  const prototype = controller.prototype as Record<string, unknown>;
  return Object.getOwnPropertyNames(prototype).flatMap((name) => {
    const handler = prototype[name] as object;
    const method = Reflect.getMetadata('method', handler) as number | undefined;
    if (method === undefined) return [];
    const paths = [Reflect.getMetadata('path', handler) as string | string[]].flat();
    return bases.flatMap((base) => paths.map((path) => `${verbs[method]} ${template(base, path)}`));
  });
}

const template = (...parts: string[]): string =>
  `/${parts
    .flatMap((part) => part.split('/'))
    .filter((part) => part !== '')
    .join('/')}`;

const served = services.flatMap((service) => routesOf(service.module));

describe('access to HTTP routes', () => {
  it.each(served)('%s has an entry in the one table', (route) => {
    const [method = '', path = ''] = route.split(' ');
    expect(accessTo(method === 'ANY' ? 'POST' : method, path, path)).toBeDefined();
  });

  it('has no entry for a route nobody serves', () => {
    expect(served.length).toBeGreaterThan(20);
    expect(Object.keys(routes).filter((route) => !served.includes(route))).toEqual([]);
  });

  it.each(served.filter((route) => route.startsWith('GET ')))('%s asks the same of HEAD', (route) => {
    const path = route.slice('GET '.length);
    expect(accessTo('HEAD', path, path)).toEqual(accessTo('GET', path, path));
  });

  it('lets nobody in without a token but to the viewer’s files and to what says how others can be asked', () => {
    const open = served.filter((route) => routes[route] === 'public');
    expect(open.sort()).toEqual(['GET /viewer', 'GET /viewer/*', 'OPTIONS /dicom-web', 'OPTIONS /dicom-web/*']);
    for (const path of ['/fhir/Patient/1', '/fhir', '/fhir/Patient/metadata', '/fhir/metadata/', '/fhir//metadata'])
      for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'])
        expect(accessTo(method, '/fhir/*', path)).not.toBe('public');
    expect(accessTo('GET', '/fhir/*', '/fhir/metadata')).toBe('public');
    expect(accessTo('POST', '/fhir/*', '/fhir/metadata')).toEqual(['fhir-writer']);
    expect(accessTo('POST', '/fhir/*', '/fhir/Patient/_search')).toEqual(['fhir-reader']);
    expect(accessTo('POST', '/fhir/*', '/fhir/Patient/1/_search')).toEqual(['fhir-writer']);
  });
});

describe('access to gRPC methods', () => {
  const app = { get: () => ({}) } as unknown as Parameters<NonNullable<(typeof services)[number]['grpc']>>[0];
  /** What the runtime answers on every service. */
  const everywhere = [operations.ParkedServiceDefinition, operations.StudyStatusServiceDefinition];
  const own = services.flatMap((service) => (service.grpc?.(app) ?? []).map(({ definition }) => definition));
  const answered = [...everywhere, ...own].flatMap((definition) => {
    const { fullName, methods: all } = definition as { fullName: string; methods: Record<string, { name: string }> };
    return Object.values(all).map(({ name }) => `/${fullName}/${name}`);
  });

  it.each(answered)('%s has an entry in the one table', (method) => expect(methods[method]).toBeDefined());

  it('has no entry for a method nobody answers', () => {
    expect(answered.length).toBeGreaterThan(8);
    expect(Object.keys(methods).filter((method) => !answered.includes(method))).toEqual([]);
  });
});
