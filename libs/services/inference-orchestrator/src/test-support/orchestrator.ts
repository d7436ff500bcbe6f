import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { imaging, inference, type Topic, topics } from '@callosum/contracts';
import { connect, type Database, type DatabaseConfig } from '@callosum/database';
import { PostgresEventLog } from '@callosum/event-log';
import { newId } from '@callosum/kernel';
import type { ObjectStore } from '@callosum/object-store';
import { DATABASE, OBJECT_STORE, preparePlatform, type RunningService, startService } from '@callosum/runtime';
import type { TestPostgres } from '@callosum/testing';
import { sql } from 'kysely';

import type { Tables } from '../adapters/postgres/tables.js';
import { inferenceOrchestrator } from '../index.js';
import { WorkerServer } from '../transport/worker-server.js';
import { StudyIndexForTests } from './study-index.js';

export const eventTrace = 'fedcba9876543210fedcba9876543210';

/** Short, so that tests need not wait; long enough for two busy cores. */
export const timing = { heartbeatMs: 200, leaseMs: 1_500 };

/** The service on a real database and log, beside a double of study-index. */
export class OrchestratorForTests {
  private constructor(
    readonly service: RunningService,
    readonly index: StudyIndexForTests,
    private readonly config: DatabaseConfig,
    private readonly logDatabase: Database<never>,
    private readonly log: PostgresEventLog,
    private readonly folder: string,
  ) {}

  static async start(postgres: TestPostgres, settings: Record<string, string> = {}): Promise<OrchestratorForTests> {
    const folder = await mkdtemp(join(tmpdir(), 'callosum-orchestrator-'));
    const config = await postgres.createDatabase();
    const index = await StudyIndexForTests.start();
    await preparePlatform({
      admin: config,
      definitions: [inferenceOrchestrator],
      passwordOf: () => 'secret',
      eventLogInPostgres: true,
    });
    const logDatabase = connect<never>(
      { ...config, user: 'event_log', password: 'secret' },
      'event_log',
      () => undefined,
    );
    const log = new PostgresEventLog({ db: logDatabase.db, onError: () => undefined });
    const service = await startReplica(config, index, folder, settings);
    return new OrchestratorForTests(service, index, config, logDatabase, log, folder);
  }

  /** A second replica over the same rows. */
  replica(settings: Record<string, string> = {}): Promise<RunningService> {
    return startReplica(this.config, this.index, this.folder, settings);
  }

  get workerAddress(): string {
    return addressOf(this.service);
  }

  get objects(): ObjectStore {
    return this.service.app.get<ObjectStore>(OBJECT_STORE);
  }

  get database(): Database<Tables> {
    return this.service.app.get<Database<Tables>>(DATABASE);
  }

  /** Shows the instances in the index and tells that the study is complete. */
  async complete(instances: readonly Uint8Array[], revision = 1): Promise<string> {
    let studyInstanceUid = '';
    for (const bytes of instances) studyInstanceUid = await this.index.add(this.objects, bytes);
    await this.tellCompleted(studyInstanceUid, revision);
    return studyInstanceUid;
  }

  tellCompleted(
    studyInstanceUid: string,
    revision: number,
    id: string = newId(),
    steps: readonly (imaging.ProcedureStepStatus | Partial<imaging.ProcedureStepEvidence>)[] = [],
  ): Promise<void> {
    this.index.revisions.set(studyInstanceUid, revision);
    const message = imaging.StudyCompleted.fromPartial({
      studyInstanceUid,
      revision,
      completedAt: new Date().toISOString(),
      procedureSteps: steps.map((step, index) => ({
        procedureStepUid: stepUid(index),
        ...(typeof step === 'object' ? step : { status: step }),
      })),
    });
    return this.append(topics.studyCompleted, message, studyInstanceUid, id);
  }

  /** Tells what became of a procedure step; those that `tellCompleted` tells of are `stepUid(0)` and so on. */
  tellStep(step: Partial<imaging.ProcedureStepChanged> & { studyInstanceUid: string }): Promise<void> {
    const message = imaging.ProcedureStepChanged.fromPartial({
      procedureStepUid: stepUid(0),
      stepRevision: 2,
      ...step,
    });
    return this.append(topics.procedureStepChanged, message, step.studyInstanceUid, newId());
  }

  /** Tells that a series is complete; its study may not be. */
  tellSeriesCompleted(series: Partial<imaging.SeriesCompleted> & { studyInstanceUid: string }): Promise<void> {
    const message = imaging.SeriesCompleted.fromPartial({ revision: 1, ...series });
    return this.append(topics.seriesCompleted, message, series.studyInstanceUid, newId());
  }

  private append<M>(topic: Topic<M>, message: M, studyInstanceUid: string, id: string): Promise<void> {
    return this.log.append([
      {
        topic: topic.name,
        key: topic.keyOf(message),
        id,
        type: topic.type,
        source: '/callosum/study-index',
        time: new Date(),
        site: 'default',
        correlationId: `correlation of ${studyInstanceUid}`,
        traceparent: `00-${eventTrace}-0123456789abcdef-01`,
        value: JSON.stringify(topic.message.toJSON(message)),
      },
    ]);
  }

  /** What the log holds of a topic about a study, oldest first. */
  async events<M>(topic: Topic<M>, studyInstanceUid: string): Promise<LoggedEvent<M>[]> {
    const { rows } = await sql<{ value: string; correlation_id: string; causation_id: string; traceparent: string }>`
      select value, correlation_id, causation_id, traceparent from event_log.events
      where topic = ${topic.name} and value like ${`%"${studyInstanceUid}"%`} order by position`.execute(
      this.logDatabase.db,
    );
    return rows.map(({ value, ...rest }) => ({ ...rest, message: topic.message.fromJSON(JSON.parse(value)) }));
  }

  /** Waits for the log to hold `count` of them. */
  async untilEvents<M>(topic: Topic<M>, studyInstanceUid: string, count = 1): Promise<LoggedEvent<M>[]> {
    return until(`${count} × ${topic.name}`, async () => {
      const events = await this.events(topic, studyInstanceUid);
      return events.length >= count ? events : undefined;
    });
  }

  /** The result a fact refers to: events carry none of it. */
  async resultOf(fact: inference.JobCompleted | undefined): Promise<inference.InferenceResult> {
    return inference.InferenceResult.fromJSON(await this.artifact(fact?.resultArtifact));
  }

  async artifact(artifact: inference.ArtifactRef | undefined): Promise<unknown> {
    return json(await this.objects.get(artifact?.key ?? ''));
  }

  get(path: string): Promise<{ status: number; body: unknown }> {
    return this.ask('GET', path);
  }

  post(path: string): Promise<{ status: number; body: unknown }> {
    return this.ask('POST', path);
  }

  private async ask(method: 'GET' | 'POST', url: string): Promise<{ status: number; body: unknown }> {
    const answer = await (
      this.service.app.getHttpAdapter().getInstance() as {
        inject(o: object): Promise<{ statusCode: number; body: string }>;
      }
    ).inject({ method, url });
    return { status: answer.statusCode, body: JSON.parse(answer.body) };
  }

  async stop(): Promise<void> {
    await this.service.close();
    await this.log.close();
    await this.logDatabase.close();
    await this.index.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const stepUid = (index: number): string => `1.2.3.${index}`;

export interface LoggedEvent<M> {
  readonly message: M;
  readonly correlation_id: string;
  readonly causation_id: string;
  readonly traceparent: string;
}

export const addressOf = (service: RunningService): string => `127.0.0.1:${service.app.get(WorkerServer).port}`;

export async function until<T>(what: string, look: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (let waitedMs = 0; waitedMs < 15_000; waitedMs += 50) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(50);
  }
  throw new Error(`${what} did not come`);
}

export const failures = inference.JobFailureReason;

function startReplica(
  config: DatabaseConfig,
  index: StudyIndexForTests,
  folder: string,
  settings: Record<string, string>,
): Promise<RunningService> {
  return startService(inferenceOrchestrator, {
    CALLOSUM_DATABASE_HOST: config.host,
    CALLOSUM_DATABASE_PORT: String(config.port),
    CALLOSUM_DATABASE_NAME: config.database,
    CALLOSUM_DATABASE_PASSWORD: 'secret',
    CALLOSUM_OBJECT_STORE_DIR: folder,
    CALLOSUM_DISK_FREE_BYTES_MIN: '0',
    CALLOSUM_STUDY_INDEX_GRPC: index.address,
    CALLOSUM_GRPC_PORT: '0',
    CALLOSUM_WORKER_HEARTBEAT_MS: String(timing.heartbeatMs),
    CALLOSUM_JOB_LEASE_MS: String(timing.leaseMs),
    CALLOSUM_LOG_LEVEL: 'fatal',
    ...settings,
  });
}
