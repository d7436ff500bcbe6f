// npm run build: dependencies, Node 24, everything compiled.
import { prepare } from './lib/setup.mjs';

await prepare();
