// npm run stack: the same as npm start, with each service in its own process on Kafka, PostgreSQL and S3.
import { prepare } from './lib/setup.mjs';
import { fetchViewer } from './lib/viewer.mjs';

await prepare();
await fetchViewer();
const { run } = await import('./demo/dist/main.js');
process.exit(await run('stack', process.argv.slice(2)));
