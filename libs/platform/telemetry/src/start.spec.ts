import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { createLogger } from './logger.js';
import { startTelemetry, type Telemetry } from './start.js';

let telemetry: Telemetry;
const lines: string[] = [];
const server = createServer((request, response) => telemetry.handleMetrics(request, response));
beforeEach(async () => {
  const logger = createLogger('test', 'debug', { write: (line: string) => void lines.push(line) });
  telemetry = startTelemetry({ serviceName: 'callosum', serviceVersion: '0', site: 'default', logger });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await telemetry.shutdown();
});

it('answers the first scrape with all that is known of the process, and warns of nothing', async () => {
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/metrics`;
  for (let scrape = 0; scrape < 2; scrape++)
    expect(await (await fetch(url)).text()).toMatch(/^target_info\{.*service_name="callosum".*\} 1$/m);
  expect(lines).toEqual([]);
});
