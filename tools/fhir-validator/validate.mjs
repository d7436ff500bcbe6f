#!/usr/bin/env node
// Validates FHIR R4 resources with the HAPI validator: `validate.mjs FOLDER`, or NDJSON on stdin; `--build` only builds it.
// Built with Maven on first use into .tools/fhir-validator; built again when its sources change.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const source = 'src/main/java/org/callosum/FhirValidatorMain.java';
const digest = createHash('sha256')
  .update(readFileSync(join(here, 'pom.xml')))
  .update(readFileSync(join(here, source)))
  .digest('hex');
const cache = join(here, '../../.tools/fhir-validator');
const built = join(cache, digest.slice(0, 16));

const missing = (command, argument) => spawnSync(command, [argument], { stdio: 'ignore' }).error !== undefined;
if (missing('java', '-version')) fail('Java 17 or newer is missing. Debian: apt-get install openjdk-17-jre-headless');
if (!existsSync(built)) build();
if (process.argv[2] !== '--build') run();

function build() {
  if (missing('mvn', '-version')) fail('Maven is missing. Debian: apt-get install maven openjdk-17-jdk-headless');
  console.error('fhir-validator: first use, building with Maven (downloads about 90 jars)');
  const staging = `${built}.${process.pid}`;
  mkdirSync(staging, { recursive: true });
  cpSync(join(here, 'pom.xml'), join(staging, 'pom.xml'));
  cpSync(join(here, 'src'), join(staging, 'src'), { recursive: true });
  const { status, stdout, stderr } = spawnSync(
    'mvn',
    [
      '--batch-mode',
      '--quiet',
      'compile',
      'dependency:copy-dependencies',
      '-DoutputDirectory=target/lib',
      '-DincludeScope=runtime',
    ],
    { cwd: staging, encoding: 'utf8' },
  );
  if (status !== 0) {
    rmSync(staging, { recursive: true, force: true });
    fail(`Maven could not build it:\n${stdout}${stderr}`);
  }
  try {
    renameSync(staging, built);
  } catch (error) {
    // Another process was faster; its build is the same.
    if (!existsSync(built)) throw error;
    rmSync(staging, { recursive: true, force: true });
  }
}

function run() {
  const classPath = [join(built, 'target/classes'), join(built, 'target/lib/*')].join(delimiter);
  const child = spawn(
    'java',
    ['-Xmx1g', '-cp', classPath, 'org.callosum.FhirValidatorMain', ...process.argv.slice(2)],
    { stdio: 'inherit' },
  );
  child.on('exit', (code, signal) => process.exit(signal ? 3 : (code ?? 3)));
}

function fail(text) {
  console.error(`fhir-validator: ${text}`);
  process.exit(3);
}
