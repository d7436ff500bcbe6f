import { evaluate, rangeApplies } from './etag.js';
import { type BytePart, chooseRange, contentRange, unsatisfiedRange } from './range.js';

/** What a request asks of an answer, as Node names header fields. */
export interface AnswerRequest {
  readonly method: string;
  readonly headers: {
    readonly 'if-match'?: string | undefined;
    readonly 'if-none-match'?: string | undefined;
    readonly 'if-range'?: string | undefined;
    readonly range?: string | undefined;
  };
}

/** The representation that was chosen by Accept and Accept-Encoding, before any of it is read. */
export interface Selected {
  /** Undefined for what has none: then nothing is said of whether the client has it. */
  readonly etag: string | undefined;
  /** Bytes of it in its content coding, where they are known: of nothing else are ranges given. */
  readonly byteCount: number | undefined;
}

export interface AnswerPlan {
  readonly status: 200 | 206 | 304 | 412 | 416;
  /** Of the length and of the range. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of a 206. */
  readonly part?: BytePart;
}

/**
 * How a GET or HEAD is answered, before anything is opened: preconditions first, then the range (RFC 9110 13.2.2). A
 * body goes with 200 and 206 only, and not with HEAD.
 */
export function planAnswer({ method, headers: asked }: AnswerRequest, { etag, byteCount }: Selected): AnswerPlan {
  const precondition = etag === undefined ? 'send' : evaluate(asked, etag);
  if (precondition === 'failed') return { status: 412, headers: {} };
  if (precondition === 'not-modified') return { status: 304, headers: {} };
  if (byteCount === undefined) return { status: 200, headers: {} };
  const ranges = { 'accept-ranges': 'bytes' };
  const isSame = etag === undefined ? asked['if-range'] === undefined : rangeApplies(asked['if-range'], etag);
  const choice = isSame ? chooseRange(method, asked.range, byteCount) : ({ kind: 'whole' } as const);
  switch (choice.kind) {
    case 'whole':
      return { status: 200, headers: { ...ranges, 'content-length': String(byteCount) } };
    case 'unsatisfiable':
      return { status: 416, headers: { ...ranges, 'content-range': unsatisfiedRange(byteCount) } };
    case 'part': {
      const { first, last } = choice;
      const headers = {
        ...ranges,
        'content-length': String(last - first + 1),
        'content-range': contentRange(first, last, byteCount),
      };
      return { status: 206, headers, part: { first, last } };
    }
  }
}
