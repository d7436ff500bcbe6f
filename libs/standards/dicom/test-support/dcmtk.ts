import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { MissingPrerequisite, orSkip } from '@callosum/testing';

const run = promisify(execFile);

/** DCMTK, whose dcmdjpeg makes native files of JPEG ones. */
export const dcmtk = await orSkip(async () => {
  await run('dcmdjpeg', ['--version']).catch(() => {
    throw new MissingPrerequisite('DCMTK is not installed', 'apt-get install dcmtk');
  });
  return 'dcmdjpeg';
});
