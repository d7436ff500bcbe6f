#!/usr/bin/env node
// The `callosum` command: under Node 24, from what is built.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { fail, onNode24 } from '../../../tools/lib/setup.mjs';

const main = new URL('../dist/main.js', import.meta.url);
if (!existsSync(fileURLToPath(main))) fail('not built yet: run "npm run build" (or "npm start") first');
await onNode24();
const { run } = await import(main.href);
process.exitCode = await run(process.argv.slice(2));
