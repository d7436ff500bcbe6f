import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { describe, expect, it } from 'vitest';

import { objectsOf, operatorApis, render, runHelm, variants } from './chart.js';
import { siteFacts } from './facts.js';
import { repositoryRoot } from './repository.js';

const guide = readFileSync(join(repositoryRoot, 'docs/guides/platform.md'), 'utf8');
const chapter = guide.slice(guide.indexOf('## Install with Helm'), guide.indexOf('## Database: roles and schemas'));

describe('the guide on installing', () => {
  const commands = [...chapter.matchAll(/^ {4}helm (install|upgrade) callosum helm\/callosum (.*)$/gm)];

  it('has commands for one pod, a service each, high availability and an upgrade', () => {
    expect(commands).toHaveLength(4);
  });

  it.each(commands.map(([line, verb = '', args = '']) => [line.trim(), verb, args]))('%s: renders', (_, verb, args) => {
    const apis = operatorApis.flatMap((api) => ['--api-versions', api]);
    const given = args.replaceAll('helm/callosum/', '').replace('--create-namespace', '').split(/\s+/).filter(Boolean);
    const { ok, stdout, stderr } = runHelm([
      'template',
      'callosum',
      '.',
      ...given,
      ...apis,
      ...(verb === 'upgrade' ? ['--is-upgrade'] : []),
    ]);
    expect(ok, stderr).toBe(true);
    expect(objectsOf(stdout).length).toBeGreaterThan(3);
  });

  it('makes every Secret that the default values want, with the keys they want', () => {
    const text = render(variants['default'] ?? []);
    const used = new Set(
      [...text.matchAll(/secretKeyRef: \{ name: ([\w.-]+)|secretName: ([\w.-]+)/g)].map(([, a, b]) => a ?? b),
    );
    const told = [...used].filter((name) => chapter.includes(String(name)));
    expect(told).toEqual([...used]);
    for (const { schema } of services) expect(chapter).toContain(`\`${schema}\``);
  });

  it('names files that exist', () => {
    for (const [, path = ''] of chapter.matchAll(/`((?:helm|deploy)\/[\w/.-]+)`/g))
      expect(() => readFileSync(join(repositoryRoot, path)), path).not.toThrow(/ENOENT/);
  });
});

describe('the guide on the command line in containers', () => {
  const sre = readFileSync(join(repositoryRoot, 'docs/guides/sre.md'), 'utf8');
  const part = sre.slice(sre.indexOf('## The command line in containers'));
  const ports = Object.entries(siteFacts().services).map(([name, { grpc }]) => `${name}:${grpc.port}`);

  it('asks every service where it answers', () => {
    const told = /^for one in (.*); do$/m.exec(part)?.[1]?.split(' ') ?? [];
    expect(told.sort()).toEqual(ports.sort());
    const named = [...part.matchAll(/exec deploy\/callosum-([a-z-]+) .*--address localhost:(\d+)/g)];
    expect(named).toHaveLength(3);
    for (const [line, service, port] of named) expect(ports, line).toContain(`${service}:${port}`);
  });

  it('names workloads of the chart, and the entry of the image', () => {
    const made = ['default', 'small'].flatMap((variant) =>
      objectsOf(render(variants[variant] ?? [])).map(({ kind, metadata }) => `${kind}/${metadata.name}`),
    );
    for (const [name] of Object.entries(siteFacts().services)) expect(made).toContain(`Deployment/callosum-${name}`);
    expect(made).toContain('StatefulSet/callosum-all-in-one');
    expect(readFileSync(join(repositoryRoot, 'deploy/docker/entry.mjs'), 'utf8')).toMatch(/^ {2}callosum: \{/m);
  });
});
