import type { SettingsSchema } from '@callosum/config';
import type { ServiceName } from '@callosum/contracts';
import type { Migrations } from '@callosum/database';
import type { ParkedWork } from '@callosum/event-log';
import type { Reading } from '@callosum/telemetry';
import type { INestApplicationContext, Type } from '@nestjs/common';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { CompatServiceDefinition } from 'nice-grpc';
import type { z } from 'zod';

import type { Listening } from './ports.js';
import type { StudyStatusSource } from './study-status.js';

/** A gRPC service and the object that answers it, usually resolved from the Nest container. */
export interface GrpcBinding {
  readonly definition: CompatServiceDefinition;
  readonly implementation: object;
}

/**
 * One service as the runtime starts it: alone in a process (apps/<service>) or beside the others (apps/all-in-one).
 * The service itself does not know which.
 */
export interface ServiceDefinition<S extends SettingsSchema = SettingsSchema> {
  readonly name: ServiceName;
  /** Settings of its own, beside the platform's. */
  readonly settings: S;
  /** Its PostgreSQL schema and the role that owns it. */
  readonly schema: string;
  /** Tables of its own; the runtime adds outbox, inbox and parked work. */
  readonly migrations: Migrations;
  readonly usesArchive: boolean;
  /** Others' objects arrive here: what writes them is started with its process. */
  readonly receivesObjects?: boolean;
  /**
   * Whether its doors can do nothing without the object store (`needed`: no replica is ready without it) or go on (`used`).
   * `needed` where it uses the archive and this is not given; no check of the object store where it does neither.
   */
  readonly objectStore?: 'needed' | 'used';
  /**
   * The root Nest module. Event handlers (`@EventPattern(topics.x.name)`) stand in its controllers beside HTTP
   * ones. Background loops start in `onApplicationBootstrap` and end in `beforeApplicationShutdown`.
   */
  readonly module: Type;
  /** Services on the internal gRPC server, beside those of every service (parked work, status of studies). */
  readonly grpc?: (app: INestApplicationContext) => readonly GrpcBinding[];
  /** What it sets aside for a person beside events. */
  readonly parked?: (app: INestApplicationContext) => readonly ParkedWork[];
  /** What it knows of a study, beside what it set aside and what waits in its outbox. Cheap queries, bounded answers. */
  readonly studyStatus?: (app: INestApplicationContext) => StudyStatusSource;
  /** Path prefixes of its HTTP routes, e.g. ["/dicom-web", "/viewer"]: the one router sends these here. */
  readonly httpPrefixes: readonly string[];
  /**
   * Content-type parsers and hooks of its own, before routes are made: its hooks see a request when it has a span, and before it is known who sends it.
   * The runtime adds `application/json` (1 MiB) unless the service parses it itself; every other content type is refused with 415.
   */
  configureHttp?(fastify: FastifyInstance, settings: z.output<S>): void;
  /** Refuses to start on addresses its own listeners may not bind. @throws {UnauthenticatedBindError} */
  assertBinds?(settings: z.output<S>): void;
  /** Ports of its own, beside the platform's; looked at before anything is started. */
  listensOn?(settings: z.output<S>): readonly Listening[];
  /** Gauges of its own, read every few seconds: cheap queries. */
  readonly gauges?: (app: INestApplicationContext) => Promise<readonly Reading[]>;
  /** Answers a request whose URL cannot be decoded ("/%zz"), which no route sees; problem+json when not given. */
  readonly refuseUrl?: (reply: FastifyReply) => void;
  /** Longest part of a path that a route takes as a parameter, in characters; 100 where it is not given. */
  readonly pathParameterCharsMax?: number;
  /** Extra liveness or readiness: rejects when the service cannot work. */
  readonly ready?: (app: INestApplicationContext) => Promise<void>;
}

/** Keeps the settings' type: `export const studyIndex = defineService({...})`. */
export function defineService<S extends SettingsSchema>(definition: ServiceDefinition<S>): ServiceDefinition<S> {
  return Object.freeze(definition);
}
