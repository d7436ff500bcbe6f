import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, expect, it } from 'vitest';

import { repositoryRoot } from './tools-folder.js';

interface Links {
  deadLinks(root: string): string[];
  anchorsOf(markdown: string): Set<string>;
}

const root = mkdtempSync(join(tmpdir(), 'callosum-links-'));
let links: Links;

beforeAll(async () => {
  links = (await import(pathToFileURL(join(repositoryRoot, 'tools/lib/links.mjs')).href)) as Links;
});
afterAll(() => rmSync(root, { recursive: true }));

function write(path: string, ...lines: string[]): void {
  const full = join(root, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, `${lines.join('\n')}\n`);
}

it('finds each link that leads to no file and to no heading, and no other', () => {
  write(
    'README.md',
    '# Here',
    '[guide](docs/guide.md#two-words) [gone](docs/gone.md)',
    '![picture](docs/none.png "a title")',
  );
  write(
    'docs/guide.md',
    '## Two `words`',
    '[up](../README.md#here) [up](../README.md#there) [root](/README.md)',
    '[own](#two-words) [own](#three)',
  );
  write(
    'docs/more.md',
    '[named][ref] [site](https://example.org/x.md#y) [mail](mailto:a@example.org)',
    '',
    '[ref]: guide.md#gone',
    '`[code](a.md)`',
    '```',
    '[fenced](b.md)',
    '# Fenced',
    '```',
    '[folder](.) [after](c.md)',
    '[fenced](#fenced)',
  );
  write('docs/node_modules/other.md', '[gone](gone.md)');
  expect(links.deadLinks(root).sort()).toEqual([
    'README.md:2: docs/gone.md is not there',
    'README.md:3: docs/none.png is not there',
    'docs/guide.md:2: ../README.md#there has no such heading',
    'docs/guide.md:3: #three has no such heading',
    'docs/more.md:10: #fenced has no such heading',
    'docs/more.md:3: guide.md#gone has no such heading',
    'docs/more.md:9: c.md is not there',
  ]);
});

it.each([
  ['## What it holds, and where', 'what-it-holds-and-where'],
  ['### `npm run stack -- --kill-test`', 'npm-run-stack------kill-test'],
  ['# The [link](x.md) stays', 'the-link-stays'],
  ['## Größe & Länge', 'größe--länge'],
  ['<a id="by-hand"></a>', 'by-hand'],
])('knows what a forge calls %s', (heading, anchor) => {
  expect([...links.anchorsOf(heading)]).toContain(anchor);
});

it('numbers headings that come again', () => {
  expect([...links.anchorsOf('# Same\n# Same\n# Same')]).toEqual(['same', 'same-1', 'same-2']);
});
