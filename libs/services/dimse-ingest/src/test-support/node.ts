import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { datasetOf, writeFile } from '@callosum/dicom';
import { type ScuOptions, storeFiles } from '@callosum/dimse';
import { preparePlatform, type RunningService, startService } from '@callosum/runtime';
import type { TestPostgres } from '@callosum/testing';
import pg from 'pg';

import { DimseListener, dimseIngest } from '../index.js';

/** dimse-ingest as it is deployed, on a database, a folder and sockets of its own. */
export class TestNode {
  #service: RunningService | undefined;

  private constructor(
    private readonly folder: string,
    private readonly env: NodeJS.ProcessEnv,
    readonly admin: pg.Client,
  ) {}

  /** @param env settings beside where things are */
  static async start(server: TestPostgres, env: NodeJS.ProcessEnv = {}): Promise<TestNode> {
    const folder = await mkdtemp(join(tmpdir(), 'callosum-dimse-node-'));
    const passwordOf = (role: string): string => `password of ${role}`;
    await preparePlatform({ admin: server.admin, definitions: [dimseIngest], passwordOf, eventLogInPostgres: true });
    const admin = new pg.Client(server.admin);
    await admin.connect();
    const node = new TestNode(
      folder,
      {
        CALLOSUM_LOG_LEVEL: 'fatal',
        CALLOSUM_DIMSE_PORT: '0',
        CALLOSUM_DRAIN_GRACE_MS: '5000',
        CALLOSUM_DATABASE_PORT: String(server.admin.port),
        CALLOSUM_DATABASE_NAME: server.admin.database,
        CALLOSUM_DATABASE_PASSWORD: passwordOf('dimse_ingest'),
        CALLOSUM_OBJECT_STORE_DIR: join(folder, 'objects'),
        CALLOSUM_DISK_FREE_BYTES_MIN: '0',
        ...env,
      },
      admin,
    );
    await node.boot();
    return node;
  }

  async boot(): Promise<void> {
    this.#service = await startService(dimseIngest, this.env);
  }

  get service(): RunningService {
    if (!this.#service) throw new Error('the node is down');
    return this.#service;
  }

  get port(): number {
    return this.service.app.get(DimseListener).port;
  }

  to(callingAet = 'MODALITY'): ScuOptions {
    return { host: '127.0.0.1', port: this.port, calledAet: 'CALLOSUM', callingAet };
  }

  /** Stores small CTs of these UIDs. */
  async store(...sopInstanceUids: readonly string[]): Promise<void> {
    const files = sopInstanceUids.map((SOPInstanceUID) =>
      writeFile(
        datasetOf({
          SOPClassUID: '1.2.840.10008.5.1.4.1.1.2',
          SOPInstanceUID,
          StudyInstanceUID: '1.2.3',
          SeriesInstanceUID: '1.2.3.1',
          PatientName: 'Kept^Secret',
          PatientID: 'SECRET-1',
        }),
        { implementationClassUid: '1.2.3' },
      ),
    );
    const outcomes = await storeFiles({ ...this.to(), files });
    const refused = outcomes.filter(({ status }) => status !== 0);
    if (refused.length > 0) throw new Error(`${refused.length} objects were refused`);
  }

  /** Stops, keeping what is stored. */
  async halt(): Promise<void> {
    await this.#service?.close();
    this.#service = undefined;
  }

  async stop(): Promise<void> {
    await this.halt();
    await this.admin.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}
