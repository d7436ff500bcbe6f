/** What a request asks for, and of whom. */
export interface RequestTarget {
  /** Path and query, or "*". */
  readonly path: string;
  /** Host and port where the target names them: they count, and no Host header does. */
  readonly authority?: string;
}

/** A host and a port (RFC 3986 3.2); a name and a password before them are an error (RFC 9110 4.2.4). */
const authority = String.raw`(?:\[[0-9a-f:.]+\]|[\w.~!$&'()*+,;=%-]+)(?::\d*)?`;
const absolute = new RegExp(String.raw`^https?://(${authority})((?:[/?][^#]*)?)$`, 'i');

/**
 * Reads a request target: origin form, "*", or absolute form, which every server has to take (RFC 9112 3.2.2) and clients send that
 * take this one for a proxy.
 * @returns undefined for what is none of them
 */
export function readTarget(target: string): RequestTarget | undefined {
  if (target.startsWith('/') || target === '*') return { path: target };
  const [, named, rest = ''] = absolute.exec(target) ?? [];
  if (named === undefined) return undefined;
  return { path: rest.startsWith('/') ? rest : `/${rest}`, authority: named };
}
