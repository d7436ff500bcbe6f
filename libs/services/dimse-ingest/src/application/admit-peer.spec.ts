import { isCertificateOf } from '../domain/peer-certificate.js';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';

import { TestAuthority } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

import { EntityList } from '../adapters/entity-list.js';
import type { ApplicationEntity, EntityTls } from '../domain/application-entity.js';
import { AdmitPeer, type Caller } from './admit-peer.js';
import type { CheckUserIdentity, IdentityClaim, IdentityVerdict } from './check-user-identity.js';

/** Hosts are addresses here: what networks and names are is for NetworkAddresses. */
const addresses = { isAt: (host: string, remote: string) => Promise.resolve(host === remote) };
const ct1: Caller = { callingAet: 'CT1', remoteAddress: '10.0.0.1' };
const place = { leave: () => undefined };
const admit = async (entities: readonly ApplicationEntity[], caller: Partial<Caller>) => {
  const peers = new AdmitPeer(new EntityList(entities), addresses);
  const admission = await peers.execute({ ...ct1, ...caller }, () => place);
  if (!admission.admitted) return admission;
  const { place: _, ...admitted } = admission;
  return admitted;
};
const secure = (changes: Partial<EntityTls> = {}): EntityTls => ({ required: true, call: true, ...changes });

let authority: TestAuthority;
let certificate: X509Certificate;
let other: X509Certificate;
beforeAll(async () => {
  authority = await TestAuthority.create();
  const issued = async (name: string, names: string) =>
    new X509Certificate(await readFile((await authority.issue(name, names)).certFile));
  certificate = await issued('ct1', 'DNS:ct1.radiology.example,IP:10.0.0.1');
  other = await issued('ct2', 'DNS:*.radiology.example');
});
afterAll(() => authority.remove());

const over = (peerCertificate?: X509Certificate, authorized = true): Pick<Caller, 'tls'> => ({
  tls: { protocol: 'TLSv1.3', cipher: '', authorized, ...(peerCertificate ? { peerCertificate } : {}) },
});

describe('an AE', () => {
  it('that nobody names comes in only while no AE is known at all', async () => {
    expect(await admit([], {})).toEqual({ admitted: true, identityAccepted: false });
    expect(await admit([{ aet: 'MR1', host: '10.0.0.1' }], {})).toEqual({ admitted: false, why: 'unknown-aet' });
  });

  it('comes in by the first entry of its title that fits', async () => {
    const entries = [
      { aet: 'CT1', host: '10.0.0.9' },
      { aet: 'CT1', host: '10.0.0.1', description: 'the second' },
    ];
    expect(await admit(entries, {})).toMatchObject({ admitted: true, entity: { description: 'the second' } });
    expect(await admit(entries.slice(0, 1), {})).toEqual({ admitted: false, why: 'wrong-address' });
  });

  it('that must use TLS does not come in without, nor from its address with a certificate of another', async () => {
    const fingerprint = certificate.fingerprint256;
    const entries = [{ aet: 'CT1', host: '10.0.0.1', tls: secure({ fingerprint }) }];
    expect(await admit(entries, {})).toEqual({ admitted: false, why: 'tls-required' });
    expect(await admit(entries, over(other))).toEqual({ admitted: false, why: 'wrong-certificate' });
    expect(await admit(entries, over())).toEqual({ admitted: false, why: 'wrong-certificate' });
    // Whoever is not certified may have copied the public part.
    expect(await admit(entries, over(certificate, false))).toEqual({ admitted: false, why: 'wrong-certificate' });
    expect(await admit(entries, over(certificate))).toMatchObject({ admitted: true });
    expect(await admit(entries, { ...over(certificate), remoteAddress: '10.0.0.2' })).toMatchObject({
      why: 'wrong-address',
    });
  });

  it('that need not use TLS shows its own certificate where it does', async () => {
    const entries = [{ aet: 'CT1', host: '10.0.0.1', tls: secure({ required: false, subject: 'CN=ct1' }) }];
    expect(await admit(entries, {})).toMatchObject({ admitted: true });
    expect(await admit(entries, over(other))).toMatchObject({ why: 'wrong-certificate' });
  });

  it('may what its entry says', async () => {
    expect(await admit([{ aet: 'CT1', host: '10.0.0.1', may: ['store'] }], {})).toMatchObject({ may: ['store'] });
  });
});

describe('a certificate', () => {
  it.each<[string, Partial<EntityTls>, boolean]>([
    ['its fingerprint, however it is written', {}, true],
    ['the name it is for', { dnsName: 'ct1.radiology.example' }, true],
    ['another name', { dnsName: 'ct2.radiology.example' }, false],
    ['its subject', { subject: 'CN=ct1' }, true],
    ['a part of its subject', { subject: 'CN=ct' }, false],
    ['more than its subject has', { subject: 'CN=ct1,O=Hospital' }, false],
    ['all of what is said but one', { subject: 'CN=ct1', dnsName: 'ct2.radiology.example' }, false],
  ])('is known by %s: %o is %s', (_by, expected, fits) => {
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
    expect(isCertificateOf(certificate, { fingerprint, ...expected })).toBe(fits);
  });

  it('with a wildcard is not that of each name under it', () => {
    expect(isCertificateOf(other, { dnsName: 'ct1.radiology.example' })).toBe(false);
  });
});

describe('the place of an association', () => {
  const entity: ApplicationEntity = { aet: 'CT1', host: '10.0.0.1', port: 104 };
  const identities = (verdict: Promise<IdentityVerdict>) => {
    const asked: string[] = [];
    const execute = ({ callingAet }: IdentityClaim) => {
      asked.push(callingAet);
      return verdict;
    };
    return { asked, execute } as unknown as CheckUserIdentity & { asked: string[] };
  };
  const taking = () => {
    const places = { entered: 0, left: 0 };
    const enter = () => {
      places.entered++;
      return { leave: () => places.left++ };
    };
    return { places, enter };
  };

  it('is taken before its user is looked at, and is none of one whom nobody knows', async () => {
    const { places, enter } = taking();
    const never = identities(new Promise(() => undefined));
    const peers = new AdmitPeer(new EntityList([entity]), addresses, never);
    void peers.execute(ct1, enter);
    await vi.waitFor(() => expect(never.asked).toEqual(['CT1']));
    expect(places).toEqual({ entered: 1, left: 0 });
    await peers.execute({ ...ct1, remoteAddress: '10.0.0.2' }, enter);
    expect(places.entered).toBe(1);
  });

  it('is refused without a look at the user where there is none', async () => {
    const unasked = identities(Promise.resolve({ accepted: true }));
    const peers = new AdmitPeer(new EntityList([entity]), addresses, unasked);
    expect(await peers.execute(ct1, () => 'ae-associations-max')).toEqual({
      admitted: false,
      why: 'ae-associations-max',
    });
    expect(unasked.asked).toEqual([]);
  });

  it.each<[string, Promise<IdentityVerdict>, number]>([
    ['is kept by one who is believed', Promise.resolve({ accepted: true }), 0],
    ['is left by one who is not', Promise.resolve({ why: 'user-unknown' }), 1],
  ])('%s', async (_, verdict, left) => {
    const { places, enter } = taking();
    await new AdmitPeer(new EntityList([entity]), addresses, identities(verdict)).execute(ct1, enter);
    expect(places).toEqual({ entered: 1, left });
  });

  it('is not taken by one who has gone before it was known', async () => {
    const { places, enter } = taking();
    const peers = new AdmitPeer(new EntityList([entity]), addresses);
    const gone = AbortSignal.abort(new Error('gone'));
    await expect(peers.execute(ct1, enter, gone)).rejects.toThrow('gone');
    expect(places.entered).toBe(0);
  });

  it('is left where looking fails', async () => {
    const { places, enter } = taking();
    const failing = identities(Promise.reject(new Error('no thread')));
    await expect(new AdmitPeer(new EntityList([entity]), addresses, failing).execute(ct1, enter)).rejects.toThrow(
      'no thread',
    );
    expect(places).toEqual({ entered: 1, left: 1 });
  });
});
