// npm run bench -- AREA: figures measured side by side in one run, printed as tables and as one line of JSON.
import { resolve } from 'node:path';

import { fail, prepare } from './lib/setup.mjs';

const areas = {
  pipeline: async (args) => {
    const { benchPipeline } = await import('./stack/dist/index.js');
    return benchPipeline(resolve(process.env.CALLOSUM_DATA_DIR || '.callosum', 'bench'), args);
  },
  memory: async (args) => {
    const { benchMemory } = await import('./stack/dist/index.js');
    return benchMemory(resolve(process.env.CALLOSUM_DATA_DIR || '.callosum', 'bench'), args);
  },
  database: async (args) => {
    const { benchDatabase } = await import('./lib/bench-database.mjs');
    return benchDatabase(args);
  },
  dimse: async (args) => {
    const { benchDimse } = await import('./stack/dist/index.js');
    // Minutes lie between its parts: each is printed when it is there.
    const print = (text) => void process.stdout.write(`${text}\n`);
    return benchDimse(resolve(process.env.CALLOSUM_DATA_DIR || '.callosum', 'bench'), args, print);
  },
  dicomweb: async (args) => {
    const { benchDicomweb } = await import('./stack/dist/index.js');
    const { fetchViewer } = await import('./lib/viewer.mjs');
    await fetchViewer();
    const print = (text) => void process.stdout.write(`${text}\n`);
    return benchDicomweb(resolve(process.env.CALLOSUM_DATA_DIR || '.callosum', 'bench'), args, print);
  },
};

const [area, ...args] = process.argv.slice(2);
if (!areas[area]) fail(`npm run bench -- AREA, which is one of ${Object.keys(areas).join(', ')}`);
await prepare();
const { text, figures } = await areas[area](args);
process.stdout.write(`${text}\n${JSON.stringify(figures)}\n`);
