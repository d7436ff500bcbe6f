import { isAeTitle } from '@callosum/dimse';
import type { z } from 'zod';

import { MalformedDimseRequestError } from '../../domain/forwarding-errors.js';

/** @throws {MalformedDimseRequestError} naming the fields, never their values */
export function parsed<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const fields = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys.map((key) => key.slice(0, 64)) : [issue.path.join('.') || 'body'],
  );
  throw new MalformedDimseRequestError(`not usable: ${[...new Set(fields)].join(', ')}`);
}

/** @throws {MalformedDimseRequestError} */
export function aeTitle(value: string): string {
  if (!isAeTitle(value)) throw new MalformedDimseRequestError('not usable: the AE title');
  return value;
}
