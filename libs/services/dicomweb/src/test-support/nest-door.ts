import type { IncomingMessage, ServerResponse } from 'node:http';

import { LOGGER, PLATFORM_SETTINGS, SETTINGS } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import type { Provider, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';

import { configureDoor } from '../transport/http/door.js';

export interface NestDoor {
  /** Without a slash at its end. */
  readonly url: string;
  /** Answers a request that came over another server, as the one of a process hands it on. */
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  close(): Promise<void>;
}

/** Controllers under the routes that they have in the service, behind what holds for all of them. */
export async function openDoor(controllers: Type[], providers: readonly Provider[], settings = {}): Promise<NestDoor> {
  class DoorModule {}
  const module = {
    module: DoorModule,
    controllers,
    providers: [
      { provide: LOGGER, useValue: createLogger('dicomweb-test', 'silent') },
      { provide: SETTINGS, useValue: settings },
      { provide: PLATFORM_SETTINGS, useValue: { CALLOSUM_PUBLIC_URL: 'http://here/' } },
      ...providers,
    ],
  };
  const adapter = new FastifyAdapter({ forceCloseConnections: true, routerOptions: { ignoreTrailingSlash: true } });
  const app = await NestFactory.create<NestFastifyApplication>(module, adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: false,
  });
  const http = adapter.getInstance();
  configureDoor(http, {});
  await app.listen(0, '127.0.0.1');
  return {
    url: (await app.getUrl()).replace(/\/$/, ''),
    handle: (request, response) => http.routing(request, response),
    close: () => app.close(),
  };
}

const uids: Readonly<Record<string, string>> = { study: '1.2', series: '1.3', source: 'ct-1' };
/** A template with a UID or name in each of its places. */
export const pathOf = (template: string, named: Readonly<Record<string, string>> = {}): string =>
  template.replace(/:(\w+)/g, (whole, name: string) => ({ ...uids, ...named })[name] ?? whole);
