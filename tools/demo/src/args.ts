import { parseArgs } from 'node:util';

export interface Arguments {
  /** Folder to send instead of the phantom. */
  readonly study: string | undefined;
  readonly demo: boolean;
  readonly once: boolean;
  readonly workers: boolean;
  /** From the first C-STORE. */
  readonly timeoutMs: number;
}

export const usage = `usage: npm start -- [options]     everything in one process on embedded parts
       npm run stack -- [options] each service its own process on Kafka, PostgreSQL and S3

  --study DIR        send the DICOM files under DIR instead of the generated phantom
  --no-demo          send nothing
  --once             exit when the report is published: 0, or not 0 with the reason
  --timeout SECONDS  with --once: how long after the first C-STORE (default 300)
  --no-workers       do not start the reference worker`;

/** @throws {TypeError} with a line for people when the arguments are not understood */
export function readArguments(argv: readonly string[]): Arguments {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      study: { type: 'string' },
      'no-demo': { type: 'boolean', default: false },
      once: { type: 'boolean', default: false },
      timeout: { type: 'string', default: '300' },
      'no-workers': { type: 'boolean', default: false },
    },
  });
  const seconds = Number(values.timeout);
  if (!Number.isFinite(seconds) || seconds <= 0) throw new TypeError('--timeout takes a number of seconds');
  if (values['no-demo'] && (values.once || values.study))
    throw new TypeError('--no-demo sends nothing: leave out --once and --study');
  return {
    study: values.study,
    demo: !values['no-demo'],
    once: values.once,
    workers: !values['no-workers'],
    timeoutMs: seconds * 1000,
  };
}
