import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
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
alias['@callosum/all-in-one/status-page'] = join(root, 'apps/all-in-one/src/status-page.ts') as string;
alias['@callosum/cli/settings'] = join(root, 'apps/cli/src/settings.ts') as string;
alias['@callosum/example-lung-ct'] = join(root, 'examples/lung-ct/src/index.ts') as string;

const deploy = 'tools/deploy/**/*.spec.ts';
// helm: the chart, the image's folder and the topic list, with Helm, kubeconform and hadolint. unit: no servers, seconds. contract: ports against real servers and peers. e2e: the whole system from outside.
const everything = '{apps,examples,libs,tools}/**/*.spec.ts';
/** Builds another version first: for `npm run test:long` alone, which names it. */
const longOnly = process.env['CALLOSUM_LONG'] ? [] : ['apps/e2e/src/upgrade.spec.ts'];
const suites: Record<string, { include: string[]; exclude: string[] }> = {
  unit: { include: [everything], exclude: ['**/*.contract.spec.ts', 'apps/e2e/**', deploy] },
  contract: { include: ['{apps,examples,libs,tools}/**/*.contract.spec.ts'], exclude: ['apps/e2e/**'] },
  e2e: { include: ['apps/e2e/**/*.spec.ts'], exclude: longOnly },
  helm: { include: [deploy], exclude: [] },
};
const suite = suites[process.env['CALLOSUM_SUITE'] ?? ''] ?? { include: [everything], exclude: longOnly };
const cores = availableParallelism();
/**
 * Files at a time: one per core, where vitest's own default leaves a core idle, which is half of a machine with two. Each
 * system of the end-to-end tests takes up to two gigabytes, so four at most.
 */
const workers: Record<string, number> = { e2e: Math.min(cores, 4) };

/** The files that take minutes start first, also on a clean checkout, where vitest knows no times: none is left to run alone. */
const longest = [
  'chaos.spec.ts',
  'kill.spec.ts',
  'results-validity.spec.ts',
  'trace.spec.ts',
  'start-once.spec.ts',
  'event-log.contract.spec.ts',
  'hapi.contract.spec.ts',
  'codecs.contract.spec.ts',
];
class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = longest.findIndex((name) => moduleId.endsWith(`/${name}`));
      return found < 0 ? longest.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}
const slow = process.env['CALLOSUM_SUITE'] === 'e2e';

export default defineConfig({
  resolve: { alias },
  // Nest and class-based injection need legacy decorators with their metadata.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    include: suite.include,
    exclude: ['**/node_modules/**', '**/dist/**', ...suite.exclude],
    // Limits for what hangs, not for what is slow beside other work on the machine.
    testTimeout: slow ? 300_000 : 120_000,
    hookTimeout: slow ? 300_000 : 180_000,
    expect: { poll: { timeout: 30_000 } },
    pool: 'forks',
    maxWorkers: workers[process.env['CALLOSUM_SUITE'] ?? ''] ?? cores,
    sequence: { sequencer: LongestFirst },
  },
});
