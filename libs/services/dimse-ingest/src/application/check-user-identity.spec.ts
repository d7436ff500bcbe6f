import { type UserIdentity, UserIdentityType } from '@callosum/dimse';
import { CallosumError } from '@callosum/kernel';
import { beforeAll, describe, expect, it } from 'vitest';

import type { ApplicationEntity } from '../domain/application-entity.js';
import { hashPasscode } from '../domain/passcode.js';
import type { Permission } from '../domain/permission.js';
import { CheckUserIdentity, type IdentityPolicy } from './check-user-identity.js';

let entity: ApplicationEntity;
beforeAll(async () => {
  const passcodeHash = await hashPasscode('geheim');
  entity = { aet: 'CT1', host: '10.0.0.1', users: [{ name: 'technician' }, { name: 'zoë', passcodeHash }] };
});

const tokens = {
  of: (token: string): Promise<readonly Permission[]> => {
    if (token === 'away') return Promise.reject(new CallosumError('auth.provider-unavailable', 'unavailable', 'away'));
    if (token === 'bad') return Promise.reject(new CallosumError('auth.bad-signature', 'forbidden', 'bad'));
    return Promise.resolve(token === 'reader' ? ['query', 'retrieve'] : []);
  },
};
const identity = (type: number, primary: string, secondary = ''): UserIdentity => ({
  type,
  positiveResponseRequested: false,
  primary: Buffer.from(primary),
  secondary: Buffer.from(secondary),
});
const callingAet = 'CT1';
const check = (
  user: UserIdentity | undefined,
  { policy = 'optional' as IdentityPolicy, secure = true, inClear = false } = {},
) => new CheckUserIdentity(policy, tokens, inClear).execute({ callingAet, userIdentity: user, secure }, entity);

const { Username, UsernameAndPasscode, Jwt, Kerberos, Saml } = UserIdentityType;

describe('a user', () => {
  it.each<[string, UserIdentity, unknown]>([
    ['whose name is enough', identity(Username, 'technician'), { accepted: true }],
    ['nobody knows', identity(Username, 'somebody'), { why: 'user-unknown' }],
    ['with a passcode who leaves it out', identity(Username, 'zoë'), { why: 'user-unknown' }],
    ['with the passcode', identity(UsernameAndPasscode, 'zoë', 'geheim'), { accepted: true }],
    ['with another passcode', identity(UsernameAndPasscode, 'zoë', 'Geheim'), { why: 'user-unknown' }],
    ['with an empty passcode', identity(UsernameAndPasscode, 'zoë'), { why: 'user-unknown' }],
    ['without a passcode who brings one', identity(UsernameAndPasscode, 'technician', 'x'), { why: 'user-unknown' }],
    ['with a token and a role', identity(Jwt, 'reader'), { accepted: true, may: ['query', 'retrieve'] }],
    ['with a token and no role', identity(Jwt, 'nobody'), { why: 'user-unknown' }],
    ['with a bad token', identity(Jwt, 'bad'), { why: 'user-unknown' }],
    ['while the provider is away', identity(Jwt, 'away'), { why: 'identity-provider-away' }],
    ['with a Kerberos ticket', identity(Kerberos, 'ticket'), { why: 'user-kind-not-supported' }],
    ['with a SAML assertion', identity(Saml, '<a/>'), { why: 'user-kind-not-supported' }],
    ['of a kind yet to come', identity(9, 'x'), { why: 'user-kind-not-supported' }],
  ])('%s', async (_who, user, verdict) => {
    expect(await check(user)).toEqual(verdict);
  });

  it.each([
    ['a passcode', identity(UsernameAndPasscode, 'zoë', 'geheim')],
    ['a token', identity(Jwt, 'reader')],
  ])('does not send %s in clear, unless that is set', async (_what, user) => {
    expect(await check(user, { secure: false })).toEqual({ why: 'user-in-clear' });
    expect(await check(user, { secure: false, inClear: true })).toMatchObject({ accepted: true });
  });

  it('must be named where that is required or the entry has users, and is not looked at where it is ignored', async () => {
    expect(await check(undefined)).toEqual({ why: 'user-missing' });
    expect(await check(undefined, { policy: 'required' })).toEqual({ why: 'user-missing' });
    const optional = new CheckUserIdentity('optional', tokens, false);
    const { aet, host } = entity;
    const nobody = { callingAet, secure: true };
    expect(await optional.execute(nobody, { aet, host })).toEqual({ accepted: false });
    expect(await optional.execute(nobody, { aet, host, users: [] })).toEqual({ accepted: false });
    expect(await optional.execute(nobody, undefined)).toEqual({ accepted: false });
    const required = new CheckUserIdentity('required', tokens, false);
    expect(await required.execute(nobody, { aet, host })).toEqual({ why: 'user-missing' });
    expect(await check(identity(Saml, '<a/>'), { policy: 'ignored' })).toEqual({ accepted: false });
  });

  it('who has gone before the turn of the passcode is not looked at', async () => {
    const node = new CheckUserIdentity('optional', tokens, false);
    const peer = new AbortController();
    const userIdentity = identity(UsernameAndPasscode, 'zoë', 'Geheim');
    const first = node.execute({ callingAet, userIdentity, secure: true }, entity);
    const waiting = { callingAet, userIdentity, secure: true, gone: peer.signal };
    const others = Array.from({ length: 3 }, () => node.execute(waiting, entity));
    peer.abort(new Error('gone'));
    const ends = await Promise.allSettled(others);
    expect(ends.map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
    expect(await first).toEqual({ why: 'user-unknown' });
  });

  it('of one AE with many wrong passcodes keeps no other AE waiting for all of them', async () => {
    const node = new CheckUserIdentity('optional', tokens, false);
    const ended: string[] = [];
    const claim = async (callingAet: string, passcode: string) => {
      const userIdentity = identity(UsernameAndPasscode, 'zoë', passcode);
      await node.execute({ callingAet, userIdentity, secure: true }, entity);
      ended.push(callingAet);
    };
    const many = Array.from({ length: 8 }, () => claim('MANY', 'wrong'));
    await Promise.all([...many, claim('OTHER', 'geheim')]);
    // Behind the one that is being checked, and perhaps the one that was next by then.
    expect(ended.indexOf('OTHER')).toBeLessThan(3);
  });
});
