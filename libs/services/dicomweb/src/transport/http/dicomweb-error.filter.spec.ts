import { createLogger } from '@callosum/telemetry';
import type { ArgumentsHost } from '@nestjs/common';
import fastify from 'fastify';
import { expect, it } from 'vitest';

import { TooManyRetrievesError } from '../../domain/errors/retrieve.js';
import { DicomwebErrorFilter } from './dicomweb-error.filter.js';

it('says that too many retrieve, to the client in words and to the log as what is expected', async () => {
  const logged: string[] = [];
  const logger = createLogger('dicomweb-test', 'info', { write: (line: string) => void logged.push(line) });
  const filter = new DicomwebErrorFilter(logger);
  const http = fastify();
  http.get('/', (_, reply) => {
    const host = { switchToHttp: () => ({ getResponse: () => reply }) } as unknown as ArgumentsHost;
    filter.catch(new TooManyRetrievesError(), host);
  });
  const { statusCode, headers, body } = await http.inject('/');
  await http.close();
  expect([statusCode, headers['retry-after'], body]).toEqual([503, '5', 'too many requests retrieve at once\n']);
  expect(logged).toHaveLength(1);
  expect(logged[0]).toMatch(/"msg":"dicomweb\.too-many-retrieves"/);
  expect(logged[0]).toMatch(/"level":(40|"warn")/);
  expect(logged[0]).not.toContain('"err"');
});
