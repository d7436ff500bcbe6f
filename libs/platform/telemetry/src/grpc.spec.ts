import { CallosumError, type ErrorKind } from '@callosum/kernel';
import { type CallContext, ServerError, type ServerMiddlewareCall, Status } from 'nice-grpc';
import { describe, expect, it } from 'vitest';

import { grpcServerMiddleware } from './grpc.js';

/** One unary call whose handler throws `thrown`. @returns what was told of it, and the status the caller gets */
async function call(thrown: unknown): Promise<{ told: string[]; status: string }> {
  const told: string[] = [];
  const middleware = grpcServerMiddleware('study-index', {
    failed: (error, path) => told.push(`failed ${path} ${(error as Error).message}`),
    refused: (code, path) => told.push(`refused ${path} ${code}`),
  });
  const unary = {
    method: { path: '/x.v1.Studies/Query' },
    requestStream: false,
    responseStream: false,
    request: {},
    next: async function* () {
      await Promise.resolve();
      throw thrown;
    },
  } as unknown as ServerMiddlewareCall<unknown, unknown>;
  const context = { metadata: { get: () => undefined } } as unknown as CallContext;
  try {
    await middleware(unary, context).next();
    return { told, status: 'OK' };
  } catch (error) {
    return { told, status: error instanceof ServerError ? (Status[error.code] ?? '') : String(error) };
  }
}

const ours = (kind: ErrorKind): CallosumError => new CallosumError('study-index.bad-date', kind, 'DOE-4711 is no date');

describe('a call that is not answered with OK', () => {
  it.each([
    ['invalid', 'INVALID_ARGUMENT'],
    ['not-found', 'NOT_FOUND'],
    ['conflict', 'FAILED_PRECONDITION'],
    ['forbidden', 'PERMISSION_DENIED'],
  ] as const)('by the fault of its caller (%s) is told by its code alone', async (kind, status) => {
    expect(await call(ours(kind))).toEqual({ told: ['refused /x.v1.Studies/Query study-index.bad-date'], status });
  });

  it('by a status of the caller’s fault is told by the status’ name', async () => {
    const { told } = await call(new ServerError(Status.UNAUTHENTICATED, 'DOE-4711'));
    expect(told).toEqual(['refused /x.v1.Studies/Query UNAUTHENTICATED']);
  });

  it.each([ours('internal'), ours('unavailable'), new Error('DOE-4711 is no date')])(
    'by ours is told with the error',
    async (error) => {
      expect((await call(error)).told).toEqual(['failed /x.v1.Studies/Query DOE-4711 is no date']);
    },
  );

  it('because its caller went away is nobody’s fault', async () => {
    const gone = Object.assign(new Error('gone'), { name: 'AbortError' });
    expect((await call(gone)).told).toEqual([]);
  });
});
