import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely';

import type { Migrations, SchemaMigration } from './migration.js';

export interface PolicyOptions {
  /** The version these migrations belong to, e.g. "0.3.0". */
  readonly version: string;
  /** Migrations that were released before there was a policy, by name, and why each was harmless. */
  readonly accepted?: Readonly<Record<string, string>>;
}

/**
 * What a set of migrations does that the version before could not live with, or that holds everybody up on a table of
 * 100 M rows: one line each. Nothing is run; the statements are what each migration would send to an empty database.
 * Whether a migration that declares a `contract` may take away what it takes away is for people; here only that the
 * version which stopped using it is older than this one.
 */
export async function migrationFaults(migrations: Migrations, options: PolicyOptions): Promise<string[]> {
  const faults: string[] = [];
  for (const [name, migration] of Object.entries(migrations)) {
    const say = (fault: string): void => void faults.push(`${name}: ${fault}`);
    if (!/^\d{4}-[a-z0-9-]+$/.test(name)) say('is not named 0001-what-it-adds');
    if (options.accepted?.[name] !== undefined) continue;
    if (migration.contract) {
      if (!isOlder(migration.contract.unusedSince, options.version))
        say(
          `takes away what ${migration.contract.unusedSince} stopped using, which is not older than ${options.version}`,
        );
      continue;
    }
    for (const { on, name: index } of migration.indexes ?? [])
      if (/^\s*unique\b/i.test(on)) say(`index ${index} may refuse rows that the version before writes`);
    for (const fault of await faultsOf(migration)) say(fault);
  }
  return faults;
}

async function faultsOf(migration: SchemaMigration): Promise<string[]> {
  const created = new Set<string>();
  return (await statementsOf(migration)).flatMap((statement) => {
    const made = /^create (?:unlogged )?(?:table|sequence|type|schema) (?:if not exists )?([\w.]+)/.exec(statement);
    if (made?.[1]) created.add(made[1]);
    return made ? [] : judge(statement, created);
  });
}

function judge(statement: string, created: ReadonlySet<string>): string[] {
  if (/^(select|insert|comment|grant)\b/.test(statement)) return [];
  const index = /^create (?:unique )?index (?:if not exists )?\w+ on ([\w.]+)/.exec(statement);
  if (index)
    return created.has(index[1] ?? '') ? [] : [`${brief(statement)}: locks a table in use; list it in "indexes"`];
  const altered = /^alter table (?:only )?([\w.]+) (.*)$/.exec(statement);
  if (!altered) return [`${brief(statement)}: only adding is allowed`];
  const [, table = '', actions = ''] = altered;
  return created.has(table) ? [] : split(actions, ',').flatMap(judgeAction);
}

/** Of ALTER TABLE, on a table that holds rows and is in use by the version before. */
function judgeAction(action: string): string[] {
  const fault = (why: string): string[] => [`${brief(action)}: ${why}`];
  if (/^alter (column )?\w+ (drop not null|set default)\b/.test(action)) return [];
  if (/^validate constraint\b/.test(action)) return [];
  if (/^add constraint\b/.test(action))
    return /\bnot valid$/.test(action)
      ? []
      : fault('reads all rows under a lock; add it "not valid", validate it after');
  if (
    !/^add (column )?(if not exists )?\w+ /.test(action) ||
    /^add (check|unique|primary|foreign|exclude)\b/.test(action)
  )
    return fault('only adding is allowed');
  if (/\b(unique|primary key)\b/.test(action)) return fault('may refuse rows that the version before writes');
  if (/\b(generated|random|gen_random_uuid|uuidv7|clock_timestamp|nextval|serial|bigserial)\b/.test(action))
    return fault('writes every row anew under a lock');
  if (/\bnot null\b/.test(action) && !/\bdefault\b/.test(action)) return fault('the version before does not fill it');
  return [];
}

/** In lower case, without comments and texts, blanks joined; several in one string apart. */
async function statementsOf(migration: SchemaMigration): Promise<string[]> {
  const recorded: string[] = [];
  const db = new Kysely<unknown>({
    dialect: {
      createAdapter: () => new PostgresAdapter(),
      createDriver: () => new Recorder(recorded),
      createIntrospector: (kysely) => new PostgresIntrospector(kysely),
      createQueryCompiler: () => new PostgresQueryCompiler(),
    },
  });
  await migration.up(db);
  await db.destroy();
  return recorded.flatMap((sql) => {
    const plain = sql
      .replace(/--[^\n]*/g, ' ')
      .replace(/\/\*.*?\*\//gs, ' ')
      .replace(/'(?:[^']|'')*'/g, "''");
    return split(
      plain
        .replace(/"(\w+)"/g, '$1')
        .toLowerCase()
        .replace(/\s+/g, ' '),
      ';',
    );
  });
}

/** Answers every query with no rows. */
class Recorder implements Driver {
  constructor(private readonly recorded: string[]) {}

  acquireConnection(): Promise<DatabaseConnection> {
    return Promise.resolve({
      executeQuery: ({ sql }: CompiledQuery) => {
        this.recorded.push(sql);
        return Promise.resolve({ rows: [] });
      },
      streamQuery: () => {
        throw new TypeError('a migration does not stream');
      },
    });
  }

  init = (): Promise<void> => Promise.resolve();
  beginTransaction = (): Promise<void> => Promise.resolve();
  commitTransaction = (): Promise<void> => Promise.resolve();
  rollbackTransaction = (): Promise<void> => Promise.resolve();
  releaseConnection = (): Promise<void> => Promise.resolve();
  destroy = (): Promise<void> => Promise.resolve();
}

/** At separators outside parentheses. */
function split(text: string, separator: ',' | ';'): string[] {
  const parts = [''];
  let depth = 0;
  for (const c of text) {
    if (c === '(') depth++;
    if (c === ')') depth--;
    if (c === separator && depth === 0) parts.push('');
    else parts[parts.length - 1] += c;
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

const brief = (statement: string): string => (statement.length > 80 ? `${statement.slice(0, 80)}…` : statement);

/** Of versions "1.2.3". */
function isOlder(version: string, than: string): boolean {
  if (!/^\d+\.\d+\.\d+$/.test(version)) return false;
  const [a, b] = [version, than].map((text) => text.split('.').map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (a?.[i] ?? 0) - (b?.[i] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
