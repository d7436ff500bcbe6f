import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { describe, expect, it } from 'vitest';

import * as answers from './answers.js';

const folder = fileURLToPath(new URL('.', import.meta.url));
const sources = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts') && name !== 'answers.ts')
  .map((name) => ({ name, text: readFileSync(join(folder, name), 'utf8') }));

describe('statuses the services answer with', () => {
  it('are taken from the stated answers, and no number stands anywhere else', () => {
    const literal = /\b(?:Store|Query|Normalized)Status\b|\b0x[0-9a-f]{4}\b/i;
    const lines = sources.flatMap(({ name, text }) =>
      text
        .split('\n')
        .filter((line) => literal.test(line))
        .map((line) => `${name}: ${line.trim()}`),
    );
    expect(lines).toEqual([]);
  });

  it('are each given by a service', () => {
    const unused = Object.entries(answers).flatMap(([group, rows]) => {
      if (typeof rows === 'number') return [];
      const users = sources.filter(({ text }) => text.includes(group));
      // A group may be handed over as a whole, and its lines be taken from it there.
      const text = [...users, ...sources.filter(({ name }) => name.endsWith('-status.ts'))].map((one) => one.text);
      return Object.keys(rows)
        .filter(
          (name) => users.length === 0 || !text.some((one) => new RegExp(`\\.${name}\\b|\\b${name}[,.]`).test(one)),
        )
        .map((name) => `${group}.${name}`);
    });
    expect(unused).toEqual([]);
  });
});
