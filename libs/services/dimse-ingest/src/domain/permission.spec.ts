import { expect, it } from 'vitest';

import { CommitmentService } from '../transport/dimse/commitment.service.js';
import { ProcedureStepService } from '../transport/dimse/procedure-step.service.js';
import { QueryService } from '../transport/dimse/query.service.js';
import { RetrieveService } from '../transport/dimse/retrieve.service.js';
import { WorklistService } from '../transport/dimse/worklist.service.js';
import { both, permissionFor } from './permission.js';

it.each([
  [QueryService, 'query'],
  [RetrieveService, 'retrieve'],
  [WorklistService, 'worklist'],
  [CommitmentService, 'commitment'],
  [ProcedureStepService, 'procedure-steps'],
])('each SOP class of %o needs "%s"', (service, permission) => {
  // What they are asked on depends on nothing they are given.
  const { abstractSyntaxUids } = Reflect.construct(service, []) as { abstractSyntaxUids: readonly string[] };
  expect(abstractSyntaxUids.length).toBeGreaterThan(0);
  expect(new Set(abstractSyntaxUids.map(permissionFor))).toEqual(new Set([permission]));
});

it('a SOP class there is no word for is in no list', () => {
  expect(permissionFor('1.2.840.10008.5.1.4.33')).toBeUndefined();
});

it('of an AE and its user each limits the other; no list is everything', () => {
  expect(both(['store', 'query'], ['query', 'retrieve'])).toEqual(['query']);
  expect(both(undefined, ['store'])).toEqual(['store']);
  expect(both(['store'], undefined)).toEqual(['store']);
  expect(both(['store'], ['query'])).toEqual([]);
  expect(both(undefined, undefined)).toBeUndefined();
});
