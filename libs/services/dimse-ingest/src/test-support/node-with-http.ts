import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { datasetOf, writeFile } from '@callosum/dicom';
import { type ScuOptions, storeFiles, type StoreOutcome } from '@callosum/dimse';
import { preparePlatform, type RunningService, startService } from '@callosum/runtime';
import type { TestPostgres } from '@callosum/testing';
import pg from 'pg';

import type { Pulls } from '../application/pull-ports.js';
import { DimseListener, dimseIngest } from '../index.js';
import { PULLS } from '../tokens.js';

const passwordOf = (role: string): string => `password of ${role}`;

/** dimse-ingest as it is deployed, for specs that talk to it by DIMSE and HTTP and look into its schema. */
export class TestNode {
  private constructor(
    private readonly folder: string,
    private readonly env: NodeJS.ProcessEnv,
    readonly admin: pg.Client,
    private readonly http: Server,
    private service: RunningService,
  ) {}

  static async start(postgres: TestPostgres, env: NodeJS.ProcessEnv): Promise<TestNode> {
    const folder = await mkdtemp(join(tmpdir(), 'callosum-node-'));
    const config = await postgres.createDatabase();
    await preparePlatform({ admin: config, definitions: [dimseIngest], passwordOf, eventLogInPostgres: true });
    const all = {
      CALLOSUM_LOG_LEVEL: 'fatal',
      CALLOSUM_DIMSE_PORT: '0',
      CALLOSUM_DATABASE_HOST: config.host,
      CALLOSUM_DATABASE_PORT: String(config.port),
      CALLOSUM_DATABASE_NAME: config.database,
      CALLOSUM_DATABASE_PASSWORD: passwordOf('dimse_ingest'),
      CALLOSUM_OBJECT_STORE_DIR: join(folder, 'objects'),
      CALLOSUM_DISK_FREE_BYTES_MIN: '0',
      ...env,
    };
    const admin = new pg.Client({ ...config, ssl: false });
    await admin.connect();
    let node: TestNode | undefined = undefined as TestNode | undefined;
    const http = createServer((request, response) => node?.service.handle(request, response));
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
    node = new TestNode(folder, all, admin, http, await startService(dimseIngest, all));
    return node;
  }

  get port(): number {
    return this.service.app.get(DimseListener).port;
  }

  to(callingAet = 'CT1'): ScuOptions {
    return { host: '127.0.0.1', port: this.port, calledAet: 'CALLOSUM', callingAet };
  }

  send(files: readonly Uint8Array[], callingAet?: string): Promise<StoreOutcome[]> {
    return storeFiles({ ...this.to(callingAet), files });
  }

  /** @returns status and the JSON of the answer */
  async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: Record<string, unknown>; headers: Headers }> {
    const { port } = this.http.address() as AddressInfo;
    const response = await fetch(`http://127.0.0.1:${port}/api/dimse${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    return { status: response.status, body: json, headers: response.headers };
  }

  async rows(query: string, ...values: unknown[]): Promise<Record<string, unknown>[]> {
    return (await this.admin.query<Record<string, unknown>>(query, values)).rows;
  }

  /** Ends the process's part as a SIGTERM does, and starts it again. @param env changed settings */
  async restart(env: NodeJS.ProcessEnv = {}): Promise<void> {
    await this.service.close();
    this.service = await startService(dimseIngest, { ...this.env, ...env });
  }

  prunePulls(): Promise<void> {
    return this.service.app.get<Pulls>(PULLS).prune(7, 90);
  }

  async stop(): Promise<void> {
    this.http.close();
    this.http.closeAllConnections();
    await this.service.close();
    await this.admin.end();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A CT image with private attributes. */
export const image = (
  sopInstanceUid: string,
  {
    study = '1.2.3',
    patientId = 'NOBODY-1',
    accession = 'ACC1',
    pixelBytes = 1_000,
    name = 'Test^One',
    sopClass = '2',
  } = {},
): Buffer =>
  Buffer.from(
    writeFile(
      datasetOf(
        {
          SOPClassUID: `1.2.840.10008.5.1.4.1.1.${sopClass}`,
          SOPInstanceUID: sopInstanceUid,
          StudyDate: '20260102',
          StudyTime: '120000',
          AccessionNumber: accession,
          Modality: sopClass === '2' ? 'CT' : 'MR',
          PatientName: name,
          PatientID: patientId,
          StudyInstanceUID: study,
          SeriesInstanceUID: `${study}.1`,
          StudyID: '1',
          SeriesNumber: 1,
          InstanceNumber: 1,
          SamplesPerPixel: 1,
          PhotometricInterpretation: 'MONOCHROME2',
          Rows: pixelBytes / 200,
          Columns: 100,
          BitsAllocated: 16,
          BitsStored: 16,
          HighBit: 15,
          PixelRepresentation: 0,
          '00090010': 'ACME PRIVATE',
          '00091001': Uint8Array.of(1, 2, 3, 254),
          PixelData: new Uint8Array(pixelBytes),
        },
        { '00090010': 'LO', '00091001': 'UN' },
      ),
      { implementationClassUid: '1.2.3' },
    ),
  );
