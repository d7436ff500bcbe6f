import type { Principal } from '@callosum/auth';
import type { Waker } from '@callosum/event-log';
import type { Logger } from '@callosum/telemetry';
import { expect, it } from 'vitest';

import type { JobQueries } from '../application/ports.js';
import { JobNotHeldError } from '../domain/errors.js';
import { InferenceHttp } from './inference.http.js';

const jobId = '0b6d6f3e-6f0a-4b7e-9c55-9f1f0a1b2c3d';
const operator: Principal = { kind: 'bearer', subject: 'user-7', roles: new Set(['operator']) };

it('the release of a held job is logged with whoever let it go, and only then', async () => {
  const lines: unknown[] = [];
  const log = { info: (...line: unknown[]) => lines.push(line) } as unknown as Logger;
  let held = true;
  const jobs = { release: () => Promise.resolve(held) } as unknown as JobQueries;
  const waker = { wake: () => undefined } as unknown as Waker;
  const http = new InferenceHttp({} as never, {} as never, {} as never, jobs, waker, log);
  await http.release(jobId, operator);
  held = false;
  await expect(http.release(jobId, operator)).rejects.toBeInstanceOf(JobNotHeldError);
  expect(lines).toEqual([[{ job: jobId, by: 'user-7' }, 'job.released']]);
});
