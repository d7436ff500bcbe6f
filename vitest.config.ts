import { defineConfig } from 'vitest/config';
// @ts-expect-error plain JavaScript shared with the scripts, without declarations
import { join, projects, root } from './tools/workspace.mjs';

const found = projects() as { dir: string; name: string }[];
// Tests run on the sources, so no build stands between an edit and its test.
const alias = Object.fromEntries(
  found
    .filter(({ dir }) => !dir.startsWith('apps/') && !dir.startsWith('examples/'))
    .map(({ dir, name }) => [name, join(root, dir, 'src/index.ts') as string]),
);
alias['@callosum/all-in-one/services'] = join(root, 'apps/all-in-one/src/services.ts') as string;
alias['@callosum/example-lung-ct'] = join(root, 'examples/lung-ct/src/index.ts') as string;

const deploy = 'tools/deploy/**/*.spec.ts';
// helm: the chart, the image's folder and the topic list, with Helm, kubeconform and hadolint. unit: no servers, seconds. contract: ports against real servers and peers. e2e: the whole system from outside.
const everything = '{apps,examples,libs,tools}/**/*.spec.ts';
const suites: Record<string, { include: string[]; exclude: string[] }> = {
  unit: { include: [everything], exclude: ['**/*.contract.spec.ts', 'apps/e2e/**', deploy] },
  contract: { include: ['{apps,examples,libs,tools}/**/*.contract.spec.ts'], exclude: ['apps/e2e/**'] },
  e2e: { include: ['apps/e2e/**/*.spec.ts'], exclude: [] },
  helm: { include: [deploy], exclude: [] },
};
const suite = suites[process.env['CALLOSUM_SUITE'] ?? ''] ?? { include: [everything], exclude: [] };
const slow = process.env['CALLOSUM_SUITE'] === 'e2e';

export default defineConfig({
  resolve: { alias },
  // Nest and class-based injection need legacy decorators with their metadata.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    include: suite.include,
    exclude: ['**/node_modules/**', '**/dist/**', ...suite.exclude],
    testTimeout: slow ? 300_000 : 30_000,
    hookTimeout: slow ? 300_000 : 180_000,
    pool: 'forks',
    // One system at a time: they share the machine, and some take ports.
    fileParallelism: !slow,
  },
});
