// Adds a project of the house: `node tools/scaffold.mjs libs/platform/clock @callosum/clock`.
// Writes the package.json and tsconfig.json every project shares, and nothing else.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [dir, name] = process.argv.slice(2);
if (!dir || !name) {
  console.error('usage: node tools/scaffold.mjs <folder> <@callosum/name>');
  process.exit(2);
}
mkdirSync(join(dir, 'src'), { recursive: true });
const up = dir
  .split('/')
  .map(() => '..')
  .join('/');
const write = (file, value) => {
  const path = join(dir, file);
  if (!existsSync(path)) writeFileSync(path, JSON.stringify(value, null, 2) + '\n');
};
const isApp = dir.startsWith('apps/') || dir.startsWith('examples/');
write('package.json', {
  name,
  version: '0.1.0',
  private: true,
  license: 'Apache-2.0',
  type: 'module',
  ...(isApp ? {} : { exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } } }),
});
write('tsconfig.json', {
  extends: `${up}/tsconfig.base.json`,
  compilerOptions: { rootDir: 'src', outDir: 'dist', tsBuildInfoFile: 'dist/.tsbuildinfo' },
  include: ['src'],
  exclude: ['src/**/*.spec.ts'],
  references: [],
});
