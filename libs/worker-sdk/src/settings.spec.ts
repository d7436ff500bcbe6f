import { expect, it } from 'vitest';

import { readWorkerSettings } from './settings.js';

it('a worker finds the platform beside it, and a variable set to nothing counts as not set', () => {
  expect(readWorkerSettings({})).toEqual({ CALLOSUM_WORKER_TARGET: '127.0.0.1:50051' });
  const empty = { CALLOSUM_WORKER_TARGET: '', CALLOSUM_WORKER_TOKEN: '' };
  expect(readWorkerSettings(empty)).toEqual({ CALLOSUM_WORKER_TARGET: '127.0.0.1:50051' });
  const given = { CALLOSUM_WORKER_TARGET: 'https://callosum:50051', CALLOSUM_WORKER_TOKEN: 't' };
  expect(readWorkerSettings({ ...given, PATH: '/bin' })).toEqual(given);
});
