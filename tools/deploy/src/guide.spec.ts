import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { describe, expect, it } from 'vitest';

import { objectsOf, operatorApis, render, runHelm, variants } from './chart.js';
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
