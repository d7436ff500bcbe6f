import { parseSettings } from '@callosum/config';
import type { ContextAcceptance } from '@callosum/dimse';
import { describe, expect, it } from 'vitest';

import type { Permission } from '../../domain/permission.js';
import { dimseIngestSettings } from '../../settings.js';
import { policyFor } from './association-policy.js';
import type { DimseService } from './dimse-service.js';

const ct = '1.2.840.10008.5.1.4.1.1.2';
const mr = '1.2.840.10008.5.1.4.1.1.4';
const verification = '1.2.840.10008.1.1';
const find = '1.2.840.10008.5.1.4.1.2.2.1';
const move = '1.2.840.10008.5.1.4.1.2.2.2';
const worklist = '1.2.840.10008.5.1.4.31';
const commitment = '1.2.840.10008.1.20.1';
const mpps = '1.2.840.10008.3.1.2.3.3';
const later = '1.2.840.10008.5.1.4.33';
const transferSyntaxUid = '1.2.840.10008.1.2.1';

/** Takes everything it is asked, in both roles; MR stands for the storage contexts of a C-GET. */
const service: DimseService = {
  abstractSyntaxUids: [mr, find, move, worklist, commitment, mpps, later],
  accept: ({ abstractSyntaxUid }): ContextAcceptance => ({
    transferSyntaxUid,
    storage: abstractSyntaxUid === mr,
    requestorRoles: { scu: true, scp: true },
  }),
  open: () => ({}),
};
const settings = parseSettings(dimseIngestSettings, {});
const policy = (may?: readonly Permission[]) =>
  policyFor([service], settings, { admitted: true, identityAccepted: false, ...(may ? { may } : {}) });
const roles = (may: readonly Permission[], abstractSyntaxUid: string): string => {
  const acceptance = policy(may).accept({ abstractSyntaxUid, transferSyntaxUids: [transferSyntaxUid] });
  const { scu, scp } = acceptance?.requestorRoles ?? { scu: true, scp: false };
  return [...(scu ? ['scu'] : []), ...(scp ? ['scp'] : [])].join(' ');
};

describe('an AE that may', () => {
  it.each<[Permission, Record<string, string>]>([
    ['store', { [ct]: 'scu', [mr]: 'scu', [verification]: 'scu' }],
    ['retrieve', { [ct]: 'scp', [mr]: 'scp', [move]: 'scu scp', [verification]: 'scu' }],
    ['query', { [find]: 'scu scp', [verification]: 'scu' }],
    ['worklist', { [worklist]: 'scu scp', [verification]: 'scu' }],
    ['commitment', { [commitment]: 'scu scp', [verification]: 'scu' }],
    ['procedure-steps', { [mpps]: 'scu scp', [verification]: 'scu' }],
  ])('%s has these roles and no others: %o', (permission, expected) => {
    const all = [ct, mr, find, move, worklist, commitment, mpps, later, verification];
    const held = all.flatMap((uid) => {
      const one = roles([permission], uid);
      return one ? [[uid, one]] : [];
    });
    expect(Object.fromEntries(held)).toEqual(expected);
  });

  it('everything may also what has no word yet', () => {
    const { accept } = policy();
    expect(accept({ abstractSyntaxUid: later, transferSyntaxUids: [] })?.requestorRoles).toEqual({
      scu: true,
      scp: true,
    });
  });
});

describe('a storage context', () => {
  const [jpeg, j2k, explicit, implicit] = [
    '1.2.840.10008.1.2.4.50',
    '1.2.840.10008.1.2.4.90',
    '1.2.840.10008.1.2.1',
    '1.2.840.10008.1.2',
  ];
  const chosen = (transferSyntaxUids: string[], role?: { scu: boolean; scp: boolean }, sopClassUid = ct) =>
    policy().accept({
      abstractSyntaxUid: sopClassUid,
      transferSyntaxUids,
      ...(role ? { role: { sopClassUid, ...role } } : {}),
    })?.transferSyntaxUid;

  it('of who retrieves gets the first syntax that we can write; a lossy one would hold nothing but what is kept in it', () => {
    const scp = { scu: false, scp: true };
    expect(chosen([jpeg, explicit, implicit], scp)).toBe(explicit);
    expect(chosen([jpeg, j2k, implicit], scp)).toBe(j2k);
    expect(chosen([jpeg], scp)).toBe(jpeg);
    const video = '1.2.840.10008.1.2.4.102';
    expect(chosen([video, explicit], scp)).toBe(explicit);
    expect(chosen([video, explicit], scp, '1.2.840.10008.5.1.4.1.1.77.1.1.1')).toBe(video);
  });

  it('of who stores is taken as the sender holds the object', () => {
    expect(chosen([jpeg, explicit, implicit])).toBe(jpeg);
    expect(chosen([jpeg, explicit, implicit], { scu: true, scp: true })).toBe(jpeg);
  });
});

it('storage says that every bit is kept; services and Verification answer for themselves', () => {
  const answers = [ct, find, verification].map((uid) =>
    policy().answerExtended?.(uid, Uint8Array.of(2, 0, 0, 0, 0, 0)),
  );
  expect(answers).toEqual([Uint8Array.of(2, 0, 3, 0, 0, 0), undefined, undefined]);
});
