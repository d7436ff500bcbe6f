import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify from 'fastify';
import { expect, it } from 'vitest';

import { TooManyRetrievesError } from '../../domain/errors/retrieve.js';
import { TooManySearchesError } from '../../domain/errors/search.js';
import { TooManyStoresError } from '../../domain/errors/store.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';

it.each([
  [new TooManyRetrievesError(), 'dicomweb.too-many-retrieves', 'too many requests retrieve at once\n'],
  [new TooManySearchesError(), 'dicomweb.too-many-searches', 'too many requests search at once\n'],
  [new TooManyStoresError(), 'dicomweb.too-many-stores', 'too many requests store at once\n'],
])('says %s, to the client in words and to the log as what is expected', async (error, event, text) => {
  const logged: string[] = [];
  const logger = createLogger('dicomweb-test', 'info', { write: (line: string) => void logged.push(line) });
  const filter = new DicomwebErrorFilter(logger);
  const http = fastify();
  http.get('/', (_, reply) => {
    const host = { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost;
    filter.catch(error, host);
  });
  const { statusCode, headers, body } = await http.inject('/');
  await http.close();
  expect([statusCode, headers['retry-after'], body]).toEqual([503, '5', text]);
  expect(logged).toHaveLength(1);
  expect(logged[0]).toContain(`"msg":"${event}"`);
  expect(logged[0]).toMatch(/"level":(40|"warn")/);
  expect(logged[0]).not.toContain('"err"');
});
