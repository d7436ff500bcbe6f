import { errorMessage } from '@callosum/kernel';

import { type Arguments, readArguments, usage } from './args.js';
import { startEmbedded } from './embedded-system.js';
import { follow } from './follow.js';
import { startStack } from './stack-system.js';
import { type Published, StageWatcher } from './stages.js';
import { phantomStudy, readFolder, type StudyToSend } from './study.js';
import type { System } from './system.js';

/** As a shell reports SIGINT. */
const interruptedCode = 130;
const parentPollMs = 500;

const out = (line: string): void => void process.stdout.write(`${line}\n`);

function printStage(elapsedMs: number, stage: string, text: string): void {
  out(`${(elapsedMs / 1000).toFixed(2).padStart(8)} s  ${stage.padEnd(22)} ${text}`);
}

/** `npm start` and `npm run stack`. Resolves with the exit code. */
export async function run(mode: 'embedded' | 'stack', argv: readonly string[]): Promise<number> {
  let args: Arguments;
  try {
    args = readArguments(argv);
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n\n${usage}\n`);
    return 2;
  }
  let system: System | undefined;
  const giveUp = new AbortController();
  const interrupted = interruption();
  void interrupted.then(() => giveUp.abort());
  try {
    const studies = await chooseStudies(args);
    const start = mode === 'embedded' ? startEmbedded : startStack;
    system = await start(args.workers, giveUp.signal);
    out(system.title);
    const code = await Promise.race([drive(system, args, studies), interrupted, system.failed]);
    if (code !== 'interrupted') return code;
    if (!args.once) return 0;
    process.stderr.write('callosum: interrupted before the report was published\n');
    return interruptedCode;
  } catch (error) {
    if (giveUp.signal.aborted) {
      process.stderr.write('callosum: interrupted while it started\n');
      return interruptedCode;
    }
    process.stderr.write(`callosum: ${errorMessage(error)}\n`);
    return 1;
  } finally {
    await system?.stop();
  }
}

/** Resolves on SIGINT or SIGTERM, sent once or again, and when the process that started this one is gone. */
function interruption(): Promise<'interrupted'> {
  const parent = process.ppid;
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => resolve('interrupted'));
    // npm hands a signal to its shell, which ends without telling us.
    setInterval(() => {
      if (process.ppid !== parent) resolve('interrupted');
    }, parentPollMs).unref();
  });
}

async function chooseStudies(args: Arguments): Promise<readonly StudyToSend[]> {
  if (!args.demo) return [];
  if (args.study === undefined) return [phantomStudy()];
  const { studies, refused } = await readFolder(args.study);
  for (const { path, reason } of refused) process.stderr.write(`not sent: ${path}: ${reason}\n`);
  if (studies.length === 0) {
    const why = refused.length > 0 ? `; each of the ${refused.length} things there is named above` : ': it is empty';
    throw new Error(`there is no DICOM file under ${args.study}${why}`);
  }
  return studies;
}

async function drive(system: System, args: Arguments, studies: readonly StudyToSend[]): Promise<number> {
  const forever = new Promise<never>(() => undefined);
  if (studies.length === 0) {
    printLinks(system);
    return forever;
  }
  const watcher = new StageWatcher(system.log, printStage);
  await watcher.start();
  let code = 0;
  for (const study of studies) {
    const outcome = await follow(system, watcher, study, args.timeoutMs, printStage);
    if ('failure' in outcome) {
      process.stderr.write(`callosum: no report for study ${study.studyInstanceUid}: ${outcome.failure}\n`);
      code = 1;
    } else {
      await printConclusion(system, watcher, outcome.published);
      printLinks(system, outcome.published);
      out(JSON.stringify(outcome.published));
    }
  }
  if (!args.once) return forever;
  await watcher.stop();
  return code;
}

/** What the report says, a line each: events carry nothing of it. */
async function printConclusion(system: System, watcher: StageWatcher, { diagnosticReport }: Published): Promise<void> {
  const response = await fetch(`${system.fhirUrl}/${diagnosticReport}`, { signal: AbortSignal.timeout(10_000) });
  const { conclusion = '' } = response.ok ? ((await response.json()) as { conclusion?: string }) : {};
  for (const line of conclusion.split('\n')) if (line) printStage(watcher.elapsedMs(), 'report', line);
}

/** Addresses for a person: those of the site, which pages under another path are not, where one is set. */
function printLinks(system: System, published?: Published): void {
  const site = (process.env['CALLOSUM_PUBLIC_URL'] || system.dicomwebUrl).replace(/\/+$/, '');
  out('');
  if (published) {
    out(`  viewer   ${site}/viewer/viewer?StudyInstanceUIDs=${published.studyInstanceUid}`);
    out(`  report   ${site}/fhir/${published.diagnosticReport}`);
  } else {
    out(`  viewer   ${site}/viewer/`);
    out(`  FHIR     ${site}/fhir/metadata`);
  }
  out(`  DICOMweb ${site}/dicom-web`);
  out(`  DIMSE    ${system.dimse.aeTitle} at ${system.dimse.host}:${system.dimse.port}`);
  out('');
}
