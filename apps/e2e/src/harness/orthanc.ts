import { readFileSync } from 'node:fs';

import { freePort, type Orthanc, startOrthanc } from '@callosum/testing';

import { Callosum } from './callosum.js';
import { folderOf } from './dicomweb.js';
import { uidsOf } from './equal.js';
import { type Judgement, judge } from './judge.js';

export interface SystemWithOrthanc {
  readonly system: Callosum;
  readonly orthanc: Orthanc;
  stop(): Promise<void>;
}

/** How Orthanc differs from one that is called in clear. */
export interface OrthancDiffers {
  /** More of its entry at the system. */
  readonly entry?: object;
  /** More of its configuration. */
  readonly configuration?: Readonly<Record<string, unknown>>;
}

/** A system and Orthanc that know each other, as CALLOSUM and ORTHANC; `aets` may call the system, too. */
export async function startWithOrthanc(
  name: string,
  aets: readonly string[],
  env: NodeJS.ProcessEnv = {},
  { entry = {}, configuration = {} }: OrthancDiffers = {},
): Promise<SystemWithOrthanc> {
  const port = await freePort();
  const host = '127.0.0.1';
  const aes = [{ aet: 'ORTHANC', host, port, ...entry }, ...aets.map((aet) => ({ aet, host }))];
  const system = await Callosum.start(name, {
    worker: false,
    env: { CALLOSUM_DIMSE_AES: JSON.stringify(aes), ...env },
  });
  try {
    const modalities = { callosum: { aet: 'CALLOSUM', port: system.dimsePort } };
    const orthanc = await startOrthanc({ port, modalities, configuration });
    return {
      system,
      orthanc,
      stop: async () => {
        await orthanc.stop();
        await system.stop();
      },
    };
  } catch (error) {
    await system.stop();
    throw error;
  }
}

/** Gives Orthanc files by its REST API. @returns its own ids of the instances */
export async function upload(orthanc: Orthanc, files: readonly string[]): Promise<string[]> {
  const ids: string[] = [];
  for (const file of files) {
    const { ID } = await orthanc.rest<{ ID: string }>('/instances', readFileSync(file)).catch((cause: unknown) => {
      throw new Error(`Orthanc does not take ${file}`, { cause });
    });
    ids.push(ID);
  }
  return ids;
}

/** How what Orthanc has of these files differs from them. */
export async function judgeOrthanc(orthanc: Orthanc, files: readonly string[]): Promise<Judgement> {
  const got: Buffer[] = [];
  for (const file of files) {
    const { instance } = uidsOf(readFileSync(file));
    const query = { Level: 'Instance', Query: { SOPInstanceUID: instance } };
    const [id] = await orthanc.rest<string[]>('/tools/find', query);
    if (id !== undefined) got.push(await orthanc.bytes(`/instances/${id}/file`));
  }
  return judge('files', folderOf(files.map((file) => readFileSync(file))), folderOf(got));
}
