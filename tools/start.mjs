// npm start: sets everything up, then runs every service in one process and sends a study through it.
import { prepare } from './lib/setup.mjs';
import { fetchViewer } from './lib/viewer.mjs';

await prepare();
await fetchViewer();
const { run } = await import('./demo/dist/main.js');
process.exit(await run('embedded', process.argv.slice(2)));
