// Lets a child process of a test run our TypeScript sources: `node --import …/register.mjs file.ts`.
// Tests run on sources, so what they start (and kill) must not need a build either.
import { existsSync, readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import ts from 'typescript';
import { projects, root } from '../../../tools/workspace.mjs';

const folders = new Map(projects().map(({ dir, name }) => [name, dir]));
const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), ts.sys.readFile);
const { options } = ts.convertCompilerOptionsFromJson(
  {
    ...config.compilerOptions,
    module: 'esnext',
    moduleResolution: 'bundler',
    composite: false,
    incremental: false,
    inlineSourceMap: true,
    sourceMap: false,
  },
  root,
);

registerHooks({
  resolve(specifier, context, next) {
    const folder = folders.get(specifier);
    if (folder)
      return { url: pathToFileURL(join(root, folder, 'src/index.ts')).href, format: 'module', shortCircuit: true };
    if (specifier.startsWith('.') && specifier.endsWith('.js') && context.parentURL?.endsWith('.ts')) {
      const source = join(dirname(fileURLToPath(context.parentURL)), specifier.replace(/\.js$/, '.ts'));
      if (existsSync(source)) return { url: pathToFileURL(source).href, format: 'module', shortCircuit: true };
    }
    return next(specifier, context);
  },
  load(url, context, next) {
    if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
    const fileName = fileURLToPath(url);
    const { outputText } = ts.transpileModule(readFileSync(fileName, 'utf8'), { compilerOptions: options, fileName });
    return { format: 'module', source: outputText, shortCircuit: true };
  },
});
