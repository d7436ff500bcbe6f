import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { freePort, type ServerProcess, startProcess } from '@callosum/testing';

import { benchAet, noDelayEnv, type Receiver } from '../receiver.js';

export interface OrthancOptions {
  /** Ports of AEs it may move to, by AE title; all on this machine. */
  readonly destinations?: Readonly<Record<string, number>>;
  /** Leaves the folder when it stops, to be started on again. */
  readonly keep?: boolean;
}

export interface Orthanc extends Receiver {
  /** Studies it knows. */
  studies(): Promise<number>;
}

/** Of /statistics of its REST API. */
interface Statistics {
  readonly CountInstances: number;
  readonly CountStudies: number;
  readonly TotalDiskSize: string;
}

/** A hundred thousand studies make its start slower. */
const readyTimeoutMs = 120_000;
/** Debian puts it where daemons are. */
export const orthancEnv = (): NodeJS.ProcessEnv => ({ ...noDelayEnv(), PATH: `${process.env['PATH']}:/usr/sbin` });

/** @param dir a folder of its own: what is stored, the index and the configuration */
export async function startOrthanc(
  dir: string,
  { destinations = {}, keep = false }: OrthancOptions = {},
): Promise<Orthanc> {
  mkdirSync(dir, { recursive: true });
  const [port, httpPort, aet] = [await freePort(), await freePort(), 'ORTHANC'];
  const modalities = { ...destinations, [benchAet]: await freePort() };
  const configuration = {
    ...limits,
    StorageDirectory: dir,
    IndexDirectory: dir,
    DicomAet: aet,
    DicomPort: port,
    HttpPort: httpPort,
    DicomModalities: Object.fromEntries(
      Object.entries(modalities).map(([title, at]) => [title.toLowerCase(), [title, '127.0.0.1', at]]),
    ),
  };
  const path = join(dir, 'orthanc.json');
  writeFileSync(path, JSON.stringify(configuration, undefined, 2));
  const child: ServerProcess = await startProcess({
    command: 'Orthanc',
    args: [path],
    options: { env: orthancEnv() },
    ready: () => answers(httpPort),
    readyTimeoutMs,
  });
  const statistics = async (): Promise<Statistics> => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/statistics`);
    return (await response.json()) as Statistics;
  };
  return {
    port,
    aet,
    processes: { Orthanc: child.pid },
    studies: async () => (await statistics()).CountStudies,
    stored: async (bytesMin) => {
      const { CountInstances: count, TotalDiskSize: bytes } = await statistics();
      return Number(bytes) >= count * bytesMin ? count : 0;
    },
    stop: async () => {
      await child.stop(60_000);
      if (!keep) await rm(dir, { recursive: true, force: true });
    },
  };
}

/** As it comes, and: as many associations at once and as long PDUs as the others take, nothing compressed, everybody let in. */
const limits = {
  StorageCompression: false,
  MaximumPduLength: 131_072,
  DicomThreadsCount: 16,
  DicomCheckCalledAet: false,
  DicomAlwaysAllowStore: true,
  DicomAlwaysAllowFind: true,
  DicomAlwaysAllowGet: true,
  DicomAlwaysAllowMove: true,
  RemoteAccessAllowed: false,
  AuthenticationEnabled: false,
};

const answers = (httpPort: number): Promise<boolean> =>
  fetch(`http://127.0.0.1:${httpPort}/system`, { signal: AbortSignal.timeout(2_000) }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );
