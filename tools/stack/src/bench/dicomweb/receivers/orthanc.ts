import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { freePort, orthancDicomweb, startProcess } from '@callosum/testing';

import type { Places } from '../../command-line.js';
import { orthancEnv } from '../../dimse/receivers/orthanc.js';
import type { Receiver } from '../receiver.js';

const readyTimeoutMs = 60_000;

/**
 * Its own defaults, with nothing compressed on the disk and everybody on this machine let in. Metadata are read in full from the objects
 * (`StudiesMetadata`, the default): what it would extrapolate is not what was stored.
 */
const configured = {
  StorageCompression: false,
  RemoteAccessAllowed: false,
  AuthenticationEnabled: false,
  // What was stored in one round comes again in the next one, under other UIDs; the same is never sent twice.
  OverwriteInstances: false,
};

/** What stands in the report beside its version. */
export const orthancText =
  'its defaults: it flushes its files (SyncStorageArea), metadata in full, answers as they are';

/** @throws {MissingPrerequisite} the plug-in is not installed */
export async function startOrthanc({ runs }: Places): Promise<Receiver> {
  const plugged = orthancDicomweb({});
  const dir = join(runs, 'orthanc');
  mkdirSync(dir, { recursive: true });
  const httpPort = await freePort();
  const url = `http://127.0.0.1:${httpPort}`;
  const configuration = {
    ...configured,
    ...plugged,
    StorageDirectory: dir,
    IndexDirectory: dir,
    DicomServerEnabled: false,
    HttpPort: httpPort,
  };
  const path = join(dir, 'orthanc.json');
  writeFileSync(path, JSON.stringify(configuration, undefined, 2));
  const child = await startProcess({
    command: 'Orthanc',
    args: [path],
    options: { env: orthancEnv() },
    ready: () => answers(`${url}/dicom-web/studies?limit=1`),
    readyTimeoutMs,
  });
  return {
    name: 'orthanc',
    base: `${url}/dicom-web`,
    processes: { Orthanc: child.pid },
    stored: async () => {
      const response = await fetch(`${url}/statistics`);
      return ((await response.json()) as { readonly CountInstances: number }).CountInstances;
    },
    // Its answer to a store comes when its index has been written.
    settled: () => Promise.resolve(),
    stop: async () => {
      await child.stop(60_000);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

const answers = (url: string): Promise<boolean> =>
  fetch(url, { signal: AbortSignal.timeout(2_000), headers: { accept: 'application/dicom+json' } }).then(
    async (response) => {
      await response.arrayBuffer();
      return response.ok;
    },
    () => false,
  );
