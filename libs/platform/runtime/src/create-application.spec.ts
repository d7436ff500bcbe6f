import { Authenticator, authSettings } from '@callosum/auth';
import { parseSettings } from '@callosum/config';
import { createLogger } from '@callosum/telemetry';
import { Controller, Get, Module } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { createApplication } from './create-application.js';
import type { ServiceDefinition } from './definition.js';

@Controller('things')
class Things {
  @Get()
  all(): string {
    return 'all';
  }

  @Get('one')
  one(): string {
    return 'one';
  }
}

@Module({ controllers: [Things] })
class ThingsModule {}

let app: NestFastifyApplication;
beforeAll(async () => {
  const definition = { name: 'dicomweb', module: ThingsModule } as unknown as ServiceDefinition;
  const authenticator = new Authenticator('dicomweb', parseSettings(authSettings, {}));
  app = await createApplication(definition, new Map(), authenticator, createLogger('dicomweb', 'silent'));
  await app.init();
  await app.getHttpAdapter().getInstance().ready();
});
afterAll(() => app.close());

it.each([
  ['/things', 'all'],
  ['/things/', 'all'],
  ['/things/?x=1', 'all'],
  ['/things/one', 'one'],
  ['/things/one/?x=1', 'one'],
])('%s is found with a slash at its end and without', async (url, answer) => {
  const { statusCode, payload } = await app.inject({ url });
  expect([statusCode, payload]).toEqual([200, answer]);
});

it.each(['/things//', '/things/one//', '//things'])('%s is another path', async (url) => {
  expect((await app.inject({ url })).statusCode).toBe(404);
});
