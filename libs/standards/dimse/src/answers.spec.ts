import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import * as answers from './answers.js';

const folder = fileURLToPath(new URL('.', import.meta.url));
const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.spec.ts') && path !== 'answers.ts')
  .map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }));

describe('statuses of responses', () => {
  it('are taken from the stated answers', () => {
    // A status that is compared with is one that was received.
    const given =
      /(?:status:|return|DimseStatusError\(|[?:]|[^=!]=)\s*(?:(?:Store|Query|Normalized)Status\.\w+|0x[0-9a-f]{4}\b)/;
    const serving = sources.filter(({ path }) => /^(services|exchange|commitment)\//.test(path));
    const sent = serving.flatMap(({ path, text }) =>
      text
        .split('\n')
        .filter((line) => given.test(line))
        .map((line) => `${path}: ${line.trim()}`),
    );
    const others = [
      // Reasons in a report, the parts of a tag, and a message id.
      /^exchange\/sent-requests\.ts: const messageIdMax = /,
      /^commitment\/commitment\.ts: \w+: 0x/,
      /^services\/failed-uids\.ts: const (group|element|explicitBytesMax) = /,
    ];
    expect(sent.filter((line) => !others.some((other) => other.test(line)))).toEqual([]);
  });

  it('are each given somewhere', () => {
    const text = sources.map((source) => source.text).join('\n');
    const names = Object.entries(answers).flatMap(([group, rows]) =>
      Object.keys(rows).map((name) => `${group}.${name}`),
    );
    // Both are handed to what refuses an identifier.
    const handedOver = /^(find|retrieve)Answers\.(identifierTooLong|withoutIdentifier)$/;
    const given = (name: string): boolean => text.includes(name) || handedOver.test(name);
    expect(names.filter((name) => !given(name))).toEqual([]);
    expect(text).toMatch(/answers\.identifierTooLong\.status[\s\S]*answers\.withoutIdentifier\.status/);
  });
});
