import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { expect, it } from 'vitest';

import { isCaller } from '../roles.js';
import { methods } from './methods.js';

const services = fileURLToPath(new URL('../../../../services', import.meta.url));
/** By the name a generated client gives a method. */
const pathOf = new Map(
  Object.keys(methods).map((path) => {
    const name = path.split('/').at(-1) ?? '';
    return [name.slice(0, 1).toLowerCase() + name.slice(1), path];
  }),
);
/** `this.client.getStudy(`, over lines too; what other ports call their clients is not of gRPC. */
const calls = /\b(?:client|studyIndex|identity)\s*\.(\w+)\(/g;

const calledBy = (service: string): { readonly service: string; readonly path: string }[] =>
  readdirSync(join(services, service, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts') && !file.includes('test-support'))
    .flatMap((file) => [...readFileSync(join(services, service, 'src', file), 'utf8').matchAll(calls)])
    .flatMap(([, name = '']) => {
      const path = pathOf.get(name);
      return path === undefined ? [] : [{ service, path }];
    });

const called = readdirSync(services).flatMap(calledBy);

it('sees who calls whom', () => {
  expect(called.length).toBeGreaterThanOrEqual(8);
  expect(called.every(({ service }) => isCaller(service))).toBe(true);
});

it.each(called)('lets $service call $path, as it does', ({ service, path }) => {
  expect(methods[path]?.services).toContain(service);
});
