import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { chartFolder, objectsOf, operatorApis, runHelm } from '../chart.js';
import { repositoryRoot } from '../repository.js';
import { runbookProblems } from './runbooks.js';

const folder = join(repositoryRoot, 'docs/runbooks');
const pages = readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), 'utf8')] as const);
const index = readFileSync(join(folder, 'README.md'), 'utf8');

describe('the runbooks', () => {
  it.each(pages)('%s: what it tells people to do can be done', (_, page) => {
    expect(runbookProblems(page)).toEqual([]);
  });

  it.each(pages.filter(([file]) => file !== 'README.md'))(
    '%s says when it is over and whom to call, and is in the list',
    (file, page) => {
      expect(page).toMatch(/^\*\*It is over when\*\* \S/m);
      expect(page).toMatch(/^\*\*Call\*\* \S/m);
      expect(index).toContain(`(${file})`);
    },
  );

  it.each([
    'install',
    'upgrade',
    'back-up',
    'restore',
    'rotate-secrets',
    'scale',
    'stuck-study',
    'parked-work',
    'quarantine',
    'disaster',
  ])('there is one on %s', (name) => {
    expect(pages.map(([file]) => file)).toContain(`${name}.md`);
  });

  it('hold helm commands that render', () => {
    const commands = new Set(
      pages
        .flatMap(([, page]) => [...page.matchAll(/^helm upgrade (?:--install )?callosum helm\/callosum (.*)$/gm)])
        .map(([, args = '']) => args),
    );
    expect(commands.size).toBeGreaterThan(1);
    for (const args of commands) {
      const given = args
        .replaceAll('helm/callosum/', '')
        .replace('--create-namespace', '')
        .split(/\s+/)
        .filter(Boolean);
      const apis = operatorApis.flatMap((api) => ['--api-versions', api]);
      const { ok, stdout, stderr } = runHelm(['template', 'callosum', '.', ...given, ...apis]);
      expect(ok, `${chartFolder}: ${stderr}`).toBe(true);
      expect(objectsOf(stdout).length).toBeGreaterThan(3);
    }
  });
});

// What a careless edit would leave in a page, and what has to be said of it.
describe('the check', () => {
  const fenced = (command: string): string => `\`\`\`sh\n${command}\n\`\`\`\n`;
  it.each([
    [fenced('npx callosum parked retry'), 'callosum has no command "parked retry"'],
    [fenced('npx callosum parked list --vendor x'), 'callosum parked list has no option --vendor'],
    [fenced('npx callosum reindex --group x'), 'callosum reindex has no option --group'],
    ['`npx callosum follow 1.2.3`', 'callosum has no command "follow 1.2.3"'],
    ['`CALLOSUM_PLANTED_MS`', 'CALLOSUM_PLANTED_MS is no setting'],
    [
      fenced('psql "$CALLOSUM_PSQL" -c "select planted from archive.intake"'),
      'there is no column planted in archive.intake',
    ],
    [fenced('psql "$CALLOSUM_PSQL" -c "select id from archive.planted"'), 'there is no table archive.planted'],
    [fenced('psql "$CALLOSUM_PSQL" -c "select id from planted.intake"'), 'there is no schema planted'],
    [
      fenced('psql "$CALLOSUM_PSQL" -c "drop schema if exists archive, dicomweb cascade"'),
      'the schema study_index is left',
    ],
    [fenced('psql "$CALLOSUM_PSQL" -c "drop schema if exists planted cascade"'), 'there is no schema planted'],
    [fenced("curl -s 'http://127.0.0.1:8080/api/planted'"), 'GET /api/planted is no route'],
    [fenced("curl -s 'http://127.0.0.1:8080/api/identity/quarantine/<decisionId>/resolve'"), 'is no route'],
    [
      fenced('kubectl -n imaging create secret generic x --from-file=keys.json --dry-run=client -o yaml'),
      '--dry-run changes nothing',
    ],
    [fenced('kubectl -n imaging wait --for=delete pod -l app.kubernetes.io/component!=migrate'), 'pods that may stay'],
    [
      fenced("kubectl -n imaging wait --for=delete pod -l 'app.kubernetes.io/component in (dicomweb,planted)'"),
      'the service dimse-ingest is not waited for',
    ],
    [fenced('kubectl -n imaging logs deploy/callosum-planted'), 'the chart makes no callosum-planted'],
    [
      fenced('kubectl -n imaging exec deploy/callosum-toolbox -- callosum parked planted'),
      'callosum has no command "parked planted"',
    ],
    [fenced('kubectl -n imaging create job x --from=cronjob/callosum-planted'), 'the chart makes no callosum-planted'],
    ['[x](planted.md)', 'planted.md is linked and not there'],
    ['[x](upgrade.md#planted)', 'upgrade.md has no heading #planted'],
    ['`helm/callosum/planted.yaml`', 'helm/callosum/planted.yaml is not there'],
    ['`planted.happened`', 'planted.happened stands in no guide'],
    [fenced('rm -rf .callosum'), 'rm is no command these pages may use'],
    ['```sh\nnpx callosum reindex\n', 'a fence is not closed'],
  ])('%j is noticed', (page, problem) => {
    expect(runbookProblems(page).join('\n')).toContain(problem);
  });
});
