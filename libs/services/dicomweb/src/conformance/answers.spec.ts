import { readdirSync } from 'node:fs';

import { CallosumError } from '@callosum/kernel';
import { httpStatusOf } from '@callosum/runtime';
import { describe, expect, it } from 'vitest';

import { StatusError } from '../domain/errors/door.js';
import { statedAnswers, withoutStatus } from './answers.js';
import { resources } from './resources.js';

const folder = new URL('../domain/errors/', import.meta.url);
type Made = new (...words: string[]) => CallosumError;

/** One of each error that the domain has: their reasons are words, or nothing. */
async function errors(): Promise<CallosumError[]> {
  const names = readdirSync(folder).filter((name) => /(?<!\.spec)\.ts$/.test(name));
  const modules = await Promise.all(
    names.map((name) => import(new URL(name, folder).href) as Promise<Record<string, unknown>>),
  );
  return modules
    .flatMap((module) => Object.values(module))
    .filter((one): one is Made => typeof one === 'function' && one.prototype instanceof CallosumError)
    .filter((made) => made !== (StatusError as unknown as Made))
    .map((made) => new made('words'));
}

const statusOf = (error: CallosumError): number =>
  error instanceof StatusError ? error.status : httpStatusOf[error.kind];

describe('the lines of the statement', () => {
  it('are those of the errors there are, with the status each is answered with', async () => {
    const all = await errors();
    const found = all.filter(({ code }) => !(code in withoutStatus));
    expect(found.length).toBeGreaterThan(5);
    expect(Object.keys(withoutStatus).filter((code) => !all.some((error) => error.code === code))).toEqual([]);
    const lines = statedAnswers.filter(({ code }) => code !== undefined).map(({ status, code }) => `${status} ${code}`);
    expect([...new Set(found.map((error) => `${statusOf(error)} ${error.code}`))].sort()).toEqual(lines.sort());
  });

  it('have every status that a resource says it gives', () => {
    const stated = new Set(statedAnswers.map(({ status }) => status));
    const given = new Set(resources.flatMap(({ statuses }) => statuses));
    expect([...given].filter((status) => !stated.has(status))).toEqual([]);
  });

  it('stand in order', () => {
    const statuses = statedAnswers.map(({ status }) => status);
    expect(statuses).toEqual(statuses.toSorted((a, b) => a - b));
  });
});
