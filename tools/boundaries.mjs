// Checks who imports whom, and that each rule bites: the tree in tools/planted breaks every rule once.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { cruise } from 'dependency-cruiser';

import config from '../.dependency-cruiser.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

async function violations(baseDir, folders) {
  const { output } = await cruise(
    folders,
    {
      ...config.options,
      ruleSet: { forbidden: config.forbidden },
      validate: true,
      baseDir,
    },
    config.options.enhancedResolveOptions,
  );
  return { found: output.summary.violations, modules: output.summary.totalCruised };
}

const real = await violations(root, ['apps', 'examples', 'libs']);
for (const { rule, from, to } of real.found) console.error(`${rule.name}: ${from} → ${to}`);

const planted = await violations(resolve(root, 'tools/planted'), ['apps', 'examples', 'libs']);
const bitten = new Set(planted.found.map(({ rule }) => rule.name));
const blunt = config.forbidden.map(({ name }) => name).filter((name) => !bitten.has(name));
for (const name of blunt) console.error(`the rule ${name} lets its planted violation pass`);

console.log(
  `${real.modules} modules, ${config.forbidden.length} rules, ${real.found.length} violations, ${blunt.length} blunt rules`,
);
process.exit(real.found.length + blunt.length > 0 ? 1 : 0);
