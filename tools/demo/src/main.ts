import { setTimeout as sleep } from 'node:timers/promises';

import { storeFiles } from '@callosum/dimse';
import { errorMessage } from '@callosum/kernel';

import { type Arguments, readArguments, usage } from './args.js';
import { earlierOutcome } from './earlier-outcome.js';
import { startEmbedded } from './embedded-system.js';
import { startStack } from './stack-system.js';
import { nothingReads } from './nothing-reads.js';
import { type Outcome, type Published, StageWatcher } from './stages.js';
import { phantomStudy, readFolder, type StudyToSend } from './study.js';
import type { System } from './system.js';

/** Facts of a newly stored instance show well within this; a study without any was sent before. */
const noNewFactsMs = 3_000;

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
  if (studies.length === 0) throw new Error(`there is no DICOM file under ${args.study}`);
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
    const outcome = await follow(system, watcher, study, args.timeoutMs);
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

async function follow(system: System, watcher: StageWatcher, study: StudyToSend, timeoutMs: number): Promise<Outcome> {
  const { studyInstanceUid, files } = study;
  printStage(
    0,
    'sending',
    `${study.description}: ${files.length} instances in ${study.seriesCount} series, study ${studyInstanceUid}`,
  );
  const timeout = new AbortController();
  const outcome = watcher.outcome(studyInstanceUid);
  watcher.firstStore();
  const late = sleep(timeoutMs, undefined, { signal: timeout.signal }).then((): Outcome => {
    const reason = `not within ${timeoutMs / 1000} s; it got as far as "${watcher.lastStage(studyInstanceUid)}"`;
    return { failure: reason };
  });
  late.catch(() => undefined);
  try {
    const sent = send(system, watcher, study);
    const failed = sent.then(
      () => new Promise<never>(() => undefined),
      (error: unknown): Outcome => ({ failure: `it could not be sent: ${errorMessage(error)}` }),
    );
    const before = sent.then(() => sentBefore(system, watcher, studyInstanceUid));
    before.catch(() => undefined);
    const unread = sent.then(() => nothingReads(system, watcher, studyInstanceUid, timeout.signal));
    unread.catch(() => undefined);
    return await Promise.race([outcome, late, failed, before, unread]);
  } finally {
    timeout.abort();
  }
}

/** One association, as a modality does it. @throws when an instance was not stored */
async function send(system: System, watcher: StageWatcher, study: StudyToSend): Promise<void> {
  const { host, port, aeTitle } = system.dimse;
  let failures = 0;
  const outcomes = await storeFiles({
    host,
    port,
    calledAet: aeTitle,
    callingAet: 'CALLOSUM-DEMO',
    files: study.files,
    onProgress: ({ stored, status, comment, error, file }) => {
      if (stored) return;
      failures++;
      const name = typeof file === 'string' ? file : 'an instance';
      const why =
        error?.message ?? `status ${status?.toString(16).toUpperCase().padStart(4, '0') ?? '?'} ${comment ?? ''}`;
      process.stderr.write(`not stored: ${name}: ${why}\n`);
    },
  });
  if (failures === outcomes.length) throw new Error('no instance was accepted');
  printStage(
    watcher.elapsedMs(),
    'association',
    `${system.dimse.aeTitle} at ${host}:${port} acknowledged ${outcomes.length - failures} of ${outcomes.length} instances`,
  );
}

/** A study sent again makes no new facts: what became of it is already there. Never resolves when the facts are new. */
async function sentBefore(system: System, watcher: StageWatcher, studyInstanceUid: string): Promise<Outcome> {
  await sleep(noNewFactsMs);
  if (watcher.storedCount(studyInstanceUid) === 0) {
    const outcome = await earlierOutcome(system.log, studyInstanceUid, watcher.elapsedMs());
    if (outcome) {
      printStage(watcher.elapsedMs(), 'already there', 'the same instances were stored before; nothing new happens');
      return outcome;
    }
  }
  return new Promise<never>(() => undefined);
}

/** What the report says, a line each: events carry nothing of it. */
async function printConclusion(system: System, watcher: StageWatcher, { diagnosticReport }: Published): Promise<void> {
  const response = await fetch(`${system.fhirUrl}/${diagnosticReport}`, { signal: AbortSignal.timeout(10_000) });
  const { conclusion = '' } = response.ok ? ((await response.json()) as { conclusion?: string }) : {};
  for (const line of conclusion.split('\n')) if (line) printStage(watcher.elapsedMs(), 'report', line);
}

function printLinks(system: System, published?: Published): void {
  out('');
  if (published) {
    out(`  viewer   ${system.dicomwebUrl}/viewer/viewer?StudyInstanceUIDs=${published.studyInstanceUid}`);
    out(`  report   ${system.fhirUrl}/${published.diagnosticReport}`);
  } else {
    out(`  viewer   ${system.dicomwebUrl}/viewer/`);
    out(`  FHIR     ${system.fhirUrl}/metadata`);
  }
  out(`  DIMSE    ${system.dimse.aeTitle} at ${system.dimse.host}:${system.dimse.port}`);
  out('');
}
