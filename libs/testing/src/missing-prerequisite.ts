/**
 * Thrown when a server for tests cannot be had on this machine. The message says what is missing and how to get
 * it, so that a suite can skip in sight of the person who runs it.
 */
export class MissingPrerequisite extends Error {
  constructor(
    readonly what: string,
    readonly howToGet: string,
    options?: { cause?: unknown },
  ) {
    super(`${what}. To get it: ${howToGet}`, options);
    this.name = 'MissingPrerequisite';
  }
}

/** A server that was started, or the reason why its suites are skipped. */
export type Prerequisite<S> =
  { readonly server: S; readonly missing?: undefined } | { readonly server?: undefined; readonly missing: string };

/**
 * For suites: starts a server, or gives the reason to skip and prints it. In CI (environment variable CI)
 * nothing is skipped: there the error is thrown.
 */
export async function orSkip<S>(start: () => Promise<S>): Promise<Prerequisite<S>> {
  try {
    return { server: await start() };
  } catch (error) {
    if (process.env['CI'] || !(error instanceof MissingPrerequisite)) throw error;
    process.stderr.write(`SKIPPED: ${error.message}\n`);
    return { missing: error.message };
  }
}
