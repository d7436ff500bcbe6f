import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { services } from '@callosum/all-in-one/services';
import { routes } from '@callosum/auth';
import { migrationSettings, platformSettings } from '@callosum/runtime';
import { logEvents } from '@callosum/telemetry';

import { repositoryRoot } from '../repository.js';

const read = (path: string): string => readFileSync(join(repositoryRoot, path), 'utf8');

/** The text of `callosum --help`, from the source: each command with its options, as people read it. */
const help = /const help = `([\s\S]*?)`;/.exec(read('apps/cli/src/main.ts'))?.[1] ?? '';
const helpOf = (command: string): string => {
  // Commands of one family share the options that follow the last of them.
  const from = help.search(new RegExp(`^ {2}${command}\\b`, 'm'));
  const [first = '', ...rest] = from < 0 ? [] : help.slice(from).split('\n');
  const family = command.split(' ')[0] ?? '';
  const end = rest.findIndex((line) => /^ {2}\S/.test(line) && !line.startsWith(`  ${family} `));
  return [first, ...rest.slice(0, end < 0 ? undefined : end)].join('\n');
};

/** Settings that are read before or beside the schemas, by the command line and the data folder. */
const besides = ['CALLOSUM_DATA_DIR', 'CALLOSUM_SERVICES_GRPC', 'CALLOSUM_TOKEN', 'CALLOSUM_PSQL'];
const settings = new Set([
  ...[platformSettings, migrationSettings, ...services.map((service) => service.settings)].flatMap(({ shape }) =>
    Object.keys(shape),
  ),
  ...besides,
]);

/** Names of everything the chart makes. */
const deployments = new Set(
  ['prod', 'small'].flatMap((variant) =>
    [...read(`helm/callosum/examples/${variant}.yaml`).matchAll(/^ {2}name: (callosum[\w-]*)$/gm)].map(
      ([, name = '']) => name,
    ),
  ),
);

/** What is wrong with a page of docs/runbooks: commands, settings, tables, routes, names and links that are not there. */
export function runbookProblems(page: string): string[] {
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap(([, block = '']) => block.trim().split('\n'));
  const inline = [...page.matchAll(/`(npx callosum [^`]+)`/g)].map(([, command = '']) => command);
  return [
    ...(page.split('```').length % 2 === 0 ? ['a fence is not closed'] : []),
    ...[...blocks, ...inline].flatMap((command) => commandProblems(command.replaceAll(/\\$/gm, ''))),
    ...[...page.matchAll(/\bCALLOSUM_[A-Z0-9_]*[A-Z0-9]/g)]
      .filter(([name]) => !settings.has(name))
      .map(([name]) => `${name} is no setting`),
    ...linkProblems(page),
    ...[...page.matchAll(/\b(?:helm|deploy|docs|tools|apps)\/(?!callosum-)[\w./-]*\w/g)]
      .filter(([path]) => !existsSync(join(repositoryRoot, path)))
      .map(([path]) => `${path} is not there`),
    ...eventProblems(page),
  ];
}

function commandProblems(command: string): string[] {
  const [tool = ''] = command.split(' ');
  if (tool === 'npx') return cliProblems(command);
  if (tool === 'psql' || tool === 'pg_dump' || tool === 'pg_restore') return sqlProblems(command);
  if (tool === 'curl') return curlProblems(command);
  if (tool === 'kubectl') return kubectlProblems(command);
  if (tool === 'node') return nodeProblems(command);
  const known = ['helm', 'tar', 'df', 'du', 'openssl'];
  return known.includes(tool) ? [] : [`${tool} is no command these pages may use`];
}

/** Of a program that is built here. */
function nodeProblems(command: string): string[] {
  const script = command.split(' ')[1] ?? '';
  const source = script.replace('/dist/', '/src/').replace(/\.js$/, '.ts');
  return existsSync(join(repositoryRoot, source)) ? [] : [`${script} is no program of ours`];
}

function cliProblems(command: string): string[] {
  const words = command.split(' ').slice(1);
  if (words[0] !== 'callosum') return [`${command}: npx runs callosum only`];
  if (words.includes('…')) return [];
  // One word, or the family's and its own.
  const name = ['reindex', 'trace'].includes(words[1] ?? '') ? (words[1] ?? '') : words.slice(1, 3).join(' ');
  const text = helpOf(name);
  if (!text) return [`callosum has no command "${name}"`];
  return words
    .filter((word) => word.startsWith('--'))
    .filter((option) => !new RegExp(`^ {4}${option}\\b`, 'm').test(text))
    .map((option) => `callosum ${name} has no option ${option}`);
}

/** Words of the simple queries these pages hold that are no columns. */
const sqlWords = new Set(
  'select from where and or in order by group limit desc asc count min max is not null truncate update set'.split(' '),
);
const columnType = '(?:text|bigint|integer|uuid|timestamptz|boolean|jsonb)';

const sqlProblems = (command: string): string[] =>
  [...command.matchAll(/ -c "([^"]+)"/g)].flatMap(([, query = '']) => queryProblems(query));

function queryProblems(query: string): string[] {
  const [, dropped] = /^drop schema if exists (.*) cascade$/.exec(query) ?? [];
  if (dropped) return droppedProblems(dropped.split(', '));
  const [, schema = '', table = ''] = /\b(?:from|truncate|update) (\w+)\.(\w+)/.exec(query) ?? [];
  if (!schema) return !/\bfrom pg_(?:stat_activity|prepared_xacts)\b/.test(query) ? [`${query}: no schema.table`] : [];
  const source = migrationsOf(schema);
  if (!source) return [`there is no schema ${schema}`];
  if (!new RegExp(`create table ${table}\\b`).test(source)) return [`there is no table ${schema}.${table}`];
  const words =
    query
      .replaceAll(/'[^']*'/g, '')
      .replace(`${schema}.${table}`, '')
      .match(/[a-z_]\w*/g) ?? [];
  return words
    .filter((word) => !sqlWords.has(word) && !new RegExp(`\\b${word} ${columnType}\\b`).test(source))
    .map((word) => `there is no column ${word} in ${schema}.${table}`);
}

/** All schemas of a site on Kafka, and no others: one that is left would be in the way of a restored back-up. */
function droppedProblems(named: readonly string[]): string[] {
  const schemas = ['archive', ...services.map(({ schema }) => schema)];
  return [
    ...named.filter((schema) => !schemas.includes(schema)).map((schema) => `there is no schema ${schema}`),
    ...schemas.filter((schema) => !named.includes(schema)).map((schema) => `the schema ${schema} is left`),
  ];
}

function migrationsOf(schema: string): string | undefined {
  const events = read('libs/platform/event-log/src/tables.ts');
  if (schema === 'archive') return read('libs/platform/archive/src/tables.ts') + events;
  const service = services.find((one) => one.schema === schema);
  if (!service) return undefined;
  const folder = join('libs/services', service.name, 'src');
  const files = readdirSync(join(repositoryRoot, folder), { recursive: true, encoding: 'utf8' });
  return (
    events +
    files
      .filter((file) => file.endsWith('migrations.ts'))
      .map((file) => read(join(folder, file)))
      .join('')
  );
}

function curlProblems(command: string): string[] {
  const [, path = ''] = /127\.0\.0\.1:8080(\/[^?' ]*)/.exec(command) ?? [];
  if (['/readyz', '/healthz', '/metrics'].includes(path)) return [];
  const method = /-X (\w+)/.exec(command)?.[1] ?? 'GET';
  const asked = `${method} ${path.replaceAll(/<\w+>/g, ':')}`;
  const isKnown = Object.keys(routes).some((route) => route.replaceAll(/:\w+/g, ':') === asked);
  return isKnown ? [] : [`${method} ${path} is no route`];
}

/** Services end when a site is stopped; workers, the toolbox and finished Jobs stay, and would be waited for in vain. */
function selectorProblems(command: string): string[] {
  const [, list] = /component in \(([^)]*)\)/.exec(command) ?? [];
  const named = list?.split(',').map((name) => name.trim()) ?? [];
  if (!list)
    return /--for=delete\b/.test(command) ? ['waits for the end of pods that may stay: name the services'] : [];
  const known: readonly string[] = services.map(({ name }) => name);
  return [
    ...named.filter((name) => !known.includes(name)).map((name) => `there is no service ${name}`),
    ...known.filter((name) => !named.includes(name)).map((name) => `the service ${name} is not waited for`),
  ];
}

function kubectlProblems(command: string): string[] {
  const kinds = /\b(?:deploy|statefulset|cronjob|hpa|scaledobject)[/ ](callosum[\w-]*)/g;
  const names = [...command.matchAll(kinds)].map(([, name = '']) => name);
  const [, inside] = / -- (callosum .*)$/.exec(command) ?? [];
  return [
    ...names.filter((name) => !deployments.has(name)).map((name) => `the chart makes no ${name}`),
    ...selectorProblems(command),
    ...(/--dry-run\b/.test(command) && !/\| kubectl (?:-n \S+ )?(?:apply|replace) -f -/.test(command)
      ? ['--dry-run changes nothing and prints what it would: apply it']
      : []),
    ...(inside ? cliProblems(`npx ${inside}`) : []),
  ];
}

function linkProblems(page: string): string[] {
  return [...page.matchAll(/\]\(([^)#]*)(?:#([^)]+))?\)/g)].flatMap(([, path = '', anchor]) => {
    const target = join('docs/runbooks', path);
    if (path && !existsSync(join(repositoryRoot, target))) return [`${path} is linked and not there`];
    if (!anchor || !path) return [];
    const anchors = [...read(target).matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => slug(title));
    return anchors.includes(anchor) ? [] : [`${path} has no heading #${anchor}`];
  });
}
const slug = (title: string): string =>
  title
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

/** Log events that a page names are registered; codes and values stand in a guide. */
function eventProblems(page: string): string[] {
  const guides = read('docs/guides/sre.md') + read('docs/guides/platform.md');
  return [...page.matchAll(/`([a-z]+(?:-[a-z]+)*\.[a-z]+(?:-[a-z]+)*)`/g)]
    .filter(([, name = '']) => !/\.(json|yaml|md)$/.test(name))
    .filter(([, name = '']) => !(name in logEvents) && !guides.includes(`\`${name}\``))
    .map(([, name]) => `${name} stands in no guide`);
}
