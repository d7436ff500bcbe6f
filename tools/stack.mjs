// npm run stack: the same as npm start, with each service in its own process on Kafka, PostgreSQL and S3.
// `--kill-test` makes things fail under load instead, and compares at the end.
import { prepare } from './lib/setup.mjs';
import { fetchViewer } from './lib/viewer.mjs';

await prepare();
await fetchViewer();
const args = process.argv.slice(2);
if (args.includes('--kill-test')) {
  const { killTest } = await import('./stack/dist/index.js');
  process.exit(await killTest(args));
}
const { run } = await import('./demo/dist/main.js');
process.exit(await run('stack', args));
