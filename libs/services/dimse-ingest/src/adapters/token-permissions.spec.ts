import { type Principal, type Role, UnauthenticatedError } from '@callosum/auth';
import { expect, it } from 'vitest';

import { AuthenticatedTokens } from './token-permissions.js';

const tokens = (kind: Principal['kind'], ...roles: Role[]): AuthenticatedTokens =>
  new AuthenticatedTokens({
    bearer: (authorization) => {
      expect(authorization).toBe('Bearer a.b.c');
      return Promise.resolve({ kind, subject: 'somebody', roles: new Set(roles) });
    },
  });

it.each<[string, Role[], string[]]>([
  ['a writer stores', ['dicom-writer'], ['store', 'commitment', 'procedure-steps']],
  ['a reader searches and retrieves', ['dicom-reader'], ['query', 'retrieve', 'worklist']],
  ['who keeps the list of nodes is neither', ['operator'], []],
])('%s', async (_who, roles, permissions) => {
  expect(await tokens('bearer', ...roles).of('a.b.c')).toEqual(permissions);
});

it('an administrator may all of it', async () => {
  expect(await tokens('bearer', 'admin').of('a.b.c')).toHaveLength(6);
});

it('a token that services show each other is nobody here', async () => {
  await expect(tokens('service', 'dicom-writer').of('a.b.c')).rejects.toBeInstanceOf(UnauthenticatedError);
});
