import { execFile } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { basename } from 'node:path';
import { promisify } from 'node:util';

import { orthancDicomweb } from '@callosum/testing';

import { mountText } from '../dimse/disk.js';
import { orthancEnv } from '../dimse/receivers/orthanc.js';
import { type DicomwebOptions, readOptions } from './options.js';
import { parts } from './parts.js';
import { type ReceiverName, titleOf } from './receiver.js';
import { orthancText } from './receivers/orthanc.js';

const run = promisify(execFile);

/**
 * `npm run bench -- dicomweb [PART …]`: this site beside Orthanc and its DICOMweb plug-in, in turn on the same disk. Each part
 * prints its tables when it ends; everything that was started ends with it.
 */
export async function benchDicomweb(
  dataDir: string,
  args: readonly string[],
  print: (text: string) => void,
): Promise<{ text: string; figures: Readonly<Record<string, unknown>> }> {
  const options = readOptions(dataDir, args, Object.keys(parts), print);
  // Peers are killed at this process's exit, and a signal alone is none.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
  const versions = await versionsOf(options.receivers);
  const receivers = options.receivers.filter((name) => versions.get(name) !== undefined);
  print(head(options, versions));
  const figures: Record<string, unknown> = {};
  for (const name of options.parts) {
    // What a run that was killed left.
    await rm(options.places.runs, { recursive: true, force: true });
    print(`Load of the machine before: ${loadavg()[0]?.toFixed(1)}\n`);
    figures[name] = await parts[name]?.({ options, receivers });
  }
  return { text: '', figures };
}

/** What each says of itself; undefined for one that is not on this machine. */
async function versionsOf(receivers: readonly ReceiverName[]): Promise<Map<ReceiverName, string | undefined>> {
  const asked: Readonly<Record<ReceiverName, () => Promise<string | undefined>>> = {
    node: () => Promise.resolve(`Node ${process.version}`),
    orthanc: async () => {
      // Throws where the plug-in is not installed.
      const plugins = orthancDicomweb({})['Plugins'] as readonly string[];
      const { stdout } = await run('Orthanc', ['--version'], { env: orthancEnv() });
      return [stdout.split('\n', 1)[0], ...plugins.map((path) => basename(realpathSync(path)))].join(', ');
    },
  };
  const found = receivers.map(async (name): Promise<[ReceiverName, string | undefined]> => {
    const version = await asked[name]().catch(() => undefined);
    return [name, version?.split('\n')[0]?.trim()];
  });
  return new Map(await Promise.all(found));
}

const howItRuns: Readonly<Record<ReceiverName, string>> = {
  node: 'dicomweb and study-index, objects as files, PostgreSQL with its defaults; a store is answered when flushed and committed',
  orthanc: orthancText,
};

function head({ places, rounds }: DicomwebOptions, versions: ReadonlyMap<ReceiverName, string | undefined>): string {
  const receivers = [...versions].map(([name, version]) =>
    version === undefined
      ? `- ${titleOf[name]}: left out, it is not on this machine (apt-get install orthanc orthanc-dicomweb)`
      : `- ${titleOf[name]}: ${version}; ${howItRuns[name]}`,
  );
  return [
    `File system: ${mountText(places.mount)}, folder ${places.root}`,
    `Machine: ${availableParallelism()} cores, ${Math.round(totalmem() / 1024 ** 3)} GiB`,
    `Client, the same for all: HTTP/1.1 over connections that stay open, reads into one buffer and counts; TCP_NODELAY everywhere`,
    `Rounds: one that does not count, then ${rounds}, in turn`,
    ...receivers,
    '',
  ].join('\n');
}
