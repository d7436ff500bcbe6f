// Holds libs/platform/telemetry/src/registry against the source: an attribute, label, metric or log event that is used and not
// registered fails, and so does one that is registered and not used, or logged at another level. Planted sources show that each rule bites.
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

import { attributes, logEvents, metricRegistry } from '@callosum/telemetry';

const root = fileURLToPath(new URL('..', import.meta.url));
const registry = 'libs/platform/telemetry/src/';

function sources(folder) {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter(
      (path) => !/(^|\/)(dist|node_modules|generated|test-support)\/|\.spec\.ts$|\.d\.ts$|^apps\/e2e\//.test(path),
    )
    .filter((path) => !path.startsWith(`${registry}registry/`))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

/** A key of an object literal, or the name in `setAttribute`: so attributes and labels are written. */
const attributeUse =
  /'((?:callosum|dicom|fhir|dimse|archive|messaging|http|rpc|error)\.[a-z_.]+)'\s*:|setAttribute\(\s*'([^']+)'/g;
const metricUse = /\b(?:count|record|reading)\(\s*'([^']+)'/g;
/** The event is the last argument; where it is chosen between names or made, the compiler holds it and this does not. */
const logUse = /\.(debug|info|warn|error|fatal)\(([^;]*?),\s*'([a-z][a-z-]*(?:\.[a-z-]+)?)',?\s*\)/g;
/** A vendor's own process: what it logs is not ours to register. */
const logsItsOwn = /^(?:libs\/worker-sdk|examples)\//;
/** Instruments are made in one place, from the registry. */
const rawInstrument = /\.create(?:Counter|Histogram|UpDownCounter|Gauge|Observable\w+)\(/;

/** Made from a word of the type system: `archive.${status}`. */
const made = new Set(['archive.conflicting-pixels', 'archive.conflicting-study']);

function check(files) {
  const problems = [];
  const used = { attributes: new Set(), metrics: new Set(), 'log events': new Set() };
  const everything = files.map(({ text }) => text).join('\n');
  for (const { path, text } of files) {
    for (const [, key, set] of text.matchAll(attributeUse)) used.attributes.add(`${key ?? set} in ${path}`);
    for (const [, name] of text.matchAll(metricUse)) used.metrics.add(`${name} in ${path}`);
    for (const [, level, , name] of logsItsOwn.test(path) ? [] : text.matchAll(logUse)) {
      used['log events'].add(`${name} in ${path}`);
      if (name in logEvents && logEvents[name].level !== level)
        problems.push(`another level than registered (log events): ${level} ${name} in ${path}`);
    }
    if (path !== `${registry}instruments.ts` && rawInstrument.test(text))
      problems.push(`an instrument past the registry in ${path}`);
  }
  for (const [kind, registered] of [
    ['attributes', attributes],
    ['metrics', metricRegistry],
    ['log events', logEvents],
  ]) {
    const names = new Set();
    for (const use of used[kind]) {
      const [name] = use.split(' in ');
      names.add(name);
      if (!(name in registered)) problems.push(`not registered (${kind}): ${use}`);
    }
    for (const name of Object.keys(registered))
      if (!names.has(name) && !(kind === 'log events' && everything.includes(`'${name}'`)) && !made.has(name))
        problems.push(`registered and not used (${kind}): ${name}`);
  }
  return problems;
}

const real = ['apps', 'examples', 'libs'].flatMap(sources);
const problems = check(real);
for (const problem of problems) console.error(problem);

const without = (name) => real.map(({ path, text }) => ({ path, text: text.replaceAll(`'${name}'`, "'gone'") }));
const planted = [
  [
    'not registered (attributes): callosum.planted',
    [...real, { path: 'planted.ts', text: "({ 'callosum.planted': 1 })" }],
  ],
  [
    'not registered (attributes): dicom.planted',
    [...real, { path: 'planted.ts', text: "span.setAttribute('dicom.planted', 1)" }],
  ],
  [
    'not registered (metrics): callosum.planted',
    [...real, { path: 'planted.ts', text: "count('callosum.planted', 1, {})" }],
  ],
  ['an instrument past the registry', [...real, { path: 'planted.ts', text: "meter.createCounter('x')" }]],
  [
    'not registered (log events): planted.event',
    [...real, { path: 'planted.ts', text: "log.info({ a: f(1) }, 'planted.event');" }],
  ],
  [
    'another level than registered (log events): debug store.refused',
    [...real, { path: 'planted.ts', text: "log.debug({}, 'store.refused');" }],
  ],
  ['registered and not used (log events): store.refused', without('store.refused')],
  ['registered and not used (attributes): callosum.sink', without('callosum.sink')],
  ['registered and not used (metrics): callosum.publish.duration', without('callosum.publish.duration')],
];
let blunt = 0;
for (const [expected, files] of planted) {
  if (check(files).some((problem) => problem.startsWith(expected))) continue;
  blunt++;
  console.error(`the planted violation passes: ${expected}`);
}
console.log(
  `${Object.keys(metricRegistry).length} metrics, ${Object.keys(attributes).length} attributes, ${Object.keys(logEvents).length} log events, ${real.length} sources, ${problems.length} problems, ${blunt} of ${planted.length} planted violations pass`,
);
process.exit(problems.length + blunt > 0 ? 1 : 0);
