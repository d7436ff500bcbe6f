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
alias['@callosum/example-lung-ct'] = join(root, 'examples/lung-ct/src/index.ts') as string;

export default defineConfig({
  resolve: { alias },
  // Nest and class-based injection need legacy decorators with their metadata.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
  test: {
    include: ['{apps,examples,libs,tools}/**/*.spec.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    testTimeout: 30_000,
    hookTimeout: 120_000,
    pool: 'forks',
  },
});
