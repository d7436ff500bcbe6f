import { connect, type Database, type DatabaseConfig, migrate } from '@callosum/database';
import { type Clock, systemClock } from '@callosum/kernel';
import { CLOCK, DATABASE, LOGGER, PLATFORM_SETTINGS, platformSettings } from '@callosum/runtime';
import { createLogger } from '@callosum/telemetry';
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyReply } from 'fastify';

import { fhirGateway } from './index.js';

@Global()
@Module({})
class TestPlatform {}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

/** The gateway alone on a port of its own over a given, empty database. For this package's own specs. */
export interface TestGateway {
  readonly base: string;
  readonly database: Database<never>;
  /** Everything that was logged, one JSON line each. */
  readonly logged: readonly string[];
  send(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  stop(): Promise<void>;
}

export async function startGateway(config: DatabaseConfig, clock: Clock = systemClock): Promise<TestGateway> {
  const database = connect<never>(config, 'fhir_gateway', () => undefined);
  await database.pool.query('create schema if not exists fhir_gateway');
  await migrate(database.db, 'fhir_gateway', fhirGateway.migrations);
  const logged: string[] = [];
  const values: readonly (readonly [symbol, unknown])[] = [
    [DATABASE, database],
    [PLATFORM_SETTINGS, platformSettings.parse({ CALLOSUM_PUBLIC_URL: 'https://callosum.example' })],
    [CLOCK, clock],
    [LOGGER, createLogger('fhir-gateway', 'debug', { write: (line: string) => void logged.push(line) })],
  ];
  const platform: DynamicModule = {
    module: TestPlatform,
    providers: values.map(([provide, useValue]) => ({ provide, useValue })),
    exports: values.map(([provide]) => provide),
  };
  @Module({ imports: [platform, fhirGateway.module] })
  class Root {}
  const adapter = new FastifyAdapter({
    frameworkErrors: (_error: unknown, _request: unknown, reply: FastifyReply) => fhirGateway.refuseUrl?.(reply),
  });
  const app = await NestFactory.create<NestFastifyApplication>(Root, adapter, {
    bodyParser: false,
    logger: false,
  });
  fhirGateway.configureHttp?.(app.getHttpAdapter().getInstance() as unknown as FastifyInstance, {});
  await app.listen(0, '127.0.0.1');
  const base = `${await app.getUrl()}/fhir`;
  return {
    base,
    database,
    logged,
    send: (method, path, body, headers = {}) => send(`${base}${path}`, method, body, headers),
    stop: async () => {
      await app.close();
      await database.close();
    },
  };
}

async function send(
  url: string,
  method: string,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  const response = await fetch(url, {
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/fhir+json' }), ...headers },
    ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text ? (JSON.parse(text) as unknown) : undefined };
}
