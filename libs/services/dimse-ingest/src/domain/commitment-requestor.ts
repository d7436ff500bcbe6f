/**
 * Who is told of commitments: a title, and where several nodes share it, the host of the entry that let this one in. In
 * rows it is one text; a title holds no backslash (PS3.5 6.2, AE).
 */
export interface CommitmentRequestor {
  readonly aet: string;
  /** As the entry writes it; undefined where the title has one entry. */
  readonly host?: string;
}

export const requestorKey = ({ aet, host }: CommitmentRequestor): string =>
  host === undefined ? aet : `${aet}\\${host}`;

export function requestorOf(key: string): CommitmentRequestor {
  const at = key.indexOf('\\');
  return at < 0 ? { aet: key } : { aet: key.slice(0, at), host: key.slice(at + 1) };
}
