import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MissingPrerequisite } from './missing-prerequisite.js';
import { freePort } from './ports.js';
import { startProcess } from './processes.js';

/** A node that Orthanc may call, on this machine. */
export interface OrthancModality {
  readonly aet: string;
  readonly port: number;
}

/** Its DICOMweb plug-in: an origin server of its own, and a client of others. */
export interface OrthancDicomweb {
  /** Base URLs of the origin servers it may call, by the name its REST API has for them. */
  readonly servers?: Readonly<Record<string, string>>;
  /** More of the section `DicomWeb` of its configuration file. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

export interface OrthancOptions {
  /** By the name its REST API has for them. */
  readonly modalities?: Readonly<Record<string, OrthancModality>>;
  /** DIMSE port; a free one when not given. */
  readonly port?: number;
  /** Loads the DICOMweb plug-in; without this no plug-in is loaded. */
  readonly dicomweb?: OrthancDicomweb;
  /** More of its configuration file. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

export interface Orthanc {
  readonly aet: string;
  /** DIMSE port. */
  readonly port: number;
  readonly pid: number;
  /** Base URL of its DICOMweb without a slash at the end; nothing answers there without the plug-in. */
  readonly dicomwebUrl: string;
  /** A request to its REST API; a body of bytes goes as it is, any other as JSON. @throws when it is not answered with 2xx */
  rest<T>(path: string, body?: unknown): Promise<T>;
  /** The bytes behind a path of its REST API. */
  bytes(path: string): Promise<Buffer>;
  stop(): Promise<void>;
}

/** Debian puts it where daemons are. */
const env = (): NodeJS.ProcessEnv => ({ ...process.env, TCP_NODELAY: '1', PATH: `${process.env['PATH']}:/usr/sbin` });

/** Everybody is let in, everything is kept as it comes, and a REST call of a transfer lasts until it is done. */
const open = {
  StorageCompression: false,
  DicomCheckCalledAet: false,
  DicomAlwaysAllowEcho: true,
  DicomAlwaysAllowStore: true,
  DicomAlwaysAllowFind: true,
  DicomAlwaysAllowGet: true,
  DicomAlwaysAllowMove: true,
  UnknownSopClassAccepted: true,
  OverwriteInstances: true,
  SynchronousCMove: true,
  RemoteAccessAllowed: false,
  AuthenticationEnabled: false,
  Plugins: [],
};

/** Where Debian's package puts the DICOMweb plug-in. */
const dicomwebPlugin = '/usr/share/orthanc/plugins/libOrthancDicomWeb.so';

/**
 * The part of the configuration file that loads the plug-in: its own defaults but for the paths, under which clients of it
 * and of this site look the same.
 * @throws {MissingPrerequisite} the plug-in is not installed
 */
export function orthancDicomweb({ servers = {}, configuration }: OrthancDicomweb): Readonly<Record<string, unknown>> {
  if (!existsSync(dicomwebPlugin))
    throw new MissingPrerequisite("Orthanc's DICOMweb plug-in is not installed", 'apt-get install orthanc-dicomweb');
  return {
    Plugins: [dicomwebPlugin],
    DicomWeb: {
      Enable: true,
      Root: '/dicom-web/',
      EnableWado: true,
      WadoRoot: '/wado',
      Ssl: false,
      Servers: Object.fromEntries(Object.entries(servers).map(([name, url]) => [name, { Url: url }])),
      ...configuration,
    },
  };
}

/**
 * Orthanc, a PACS of other people's, with an empty store of its own that goes with it.
 * @throws {MissingPrerequisite} it, or the plug-in that is asked for, is not installed
 */
export async function startOrthanc(options: OrthancOptions = {}): Promise<Orthanc> {
  if (spawnSync('sh', ['-c', 'command -v Orthanc'], { env: env(), stdio: 'ignore' }).status !== 0)
    throw new MissingPrerequisite('Orthanc is not installed', 'apt-get install orthanc');
  const plugged = options.dicomweb === undefined ? {} : orthancDicomweb(options.dicomweb);
  const folder = await mkdtemp(join(tmpdir(), 'callosum-orthanc-'));
  const [port, httpPort, aet] = [options.port ?? (await freePort()), await freePort(), 'ORTHANC'];
  const url = `http://127.0.0.1:${httpPort}`;
  const modalities = Object.entries(options.modalities ?? {}).map(([name, at]) => [
    name,
    { AET: at.aet, Host: '127.0.0.1', Port: at.port },
  ]);
  const configuration = {
    ...open,
    StorageDirectory: folder,
    IndexDirectory: folder,
    DicomAet: aet,
    DicomPort: port,
    HttpPort: httpPort,
    DicomModalities: Object.fromEntries(modalities) as unknown,
    ...plugged,
    ...options.configuration,
  };
  const file = join(folder, 'orthanc.json');
  await writeFile(file, JSON.stringify(configuration, undefined, 2));
  const server = await startProcess({
    command: 'Orthanc',
    args: [file],
    options: { env: env() },
    ready: () => answers(url),
    readyTimeoutMs: 60_000,
  }).catch(async (error: unknown) => {
    await rm(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    aet,
    port,
    pid: server.pid,
    dicomwebUrl: `${url}/dicom-web`,
    rest: async <T>(path: string, body?: unknown) => (await (await ask(url + path, body)).json()) as T,
    bytes: async (path) => Buffer.from(await (await ask(url + path)).arrayBuffer()),
    stop: async () => {
      await server.stop(20_000);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ask(url: string, body?: unknown): Promise<Response> {
  const sent = body instanceof Uint8Array ? Buffer.from(body) : JSON.stringify(body);
  const response = await fetch(url, body === undefined ? {} : { method: 'POST', body: sent });
  if (!response.ok)
    throw new Error(`Orthanc answers ${response.status} at ${new URL(url).pathname}: ${await response.text()}`);
  return response;
}

const answers = (url: string): Promise<boolean> =>
  fetch(`${url}/system`, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );
