import { BadRequestError } from './errors/door.js';

/**
 * The parameters of a request target, by the rules of HTML forms, which would take what is no encoding for text as it stands.
 * @throws {BadRequestError} for a percent encoding of no UTF-8, or of nothing
 */
export function parametersOf(target: string): URLSearchParams {
  const { search, searchParams } = new URL(target, 'http://localhost');
  try {
    decodeURIComponent(search);
  } catch {
    throw new BadRequestError('the query is not percent-encoded UTF-8');
  }
  return searchParams;
}
