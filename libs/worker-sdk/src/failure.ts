import { CallosumError } from '@callosum/kernel';
import { worker } from '@callosum/contracts';
import { ClientError, Status } from 'nice-grpc';

import { JobInputUnusableError } from './errors.js';

/** A machine code; anything else might be a message, which may quote data. */
const codePattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** What the orchestrator and its people learn of an error: its stable code or class, never its message. */
export function failureDetail(error: unknown): string {
  if (error instanceof CallosumError) return error.code;
  if (error instanceof ClientError) return `grpc.${Status[error.code]}`;
  if (!(error instanceof Error)) return 'not-an-error';
  const name = codePattern.test(error.name) ? error.name : 'Error';
  const code = (error as { code?: unknown }).code;
  return typeof code === 'string' && codePattern.test(code) ? `${name}.${code}` : name;
}

/** The kind and detail under which a handler's error is reported. */
export function failureOf(error: unknown): { readonly kind: worker.FailureKind; readonly detail: string } {
  if (error instanceof JobInputUnusableError) {
    const detail = codePattern.test(error.reason) ? error.reason : error.code;
    return { kind: worker.FailureKind.FAILURE_KIND_INPUT_UNUSABLE, detail };
  }
  return { kind: worker.FailureKind.FAILURE_KIND_TRANSIENT, detail: failureDetail(error) };
}
