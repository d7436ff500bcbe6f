import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset } from '../../test-support/objects.js';
import { openPolicy, type Provider, startProvider, until } from '../../test-support/providers.js';
import { once, proposed, studyRootFind } from '../../test-support/services.js';
import {
  type AcceptancePolicy,
  AssociationAbortedError,
  chooseTransferSyntax,
  ContextRefusedError,
  negotiate,
  type ProposedContext,
  rejectedWithoutReason,
  ScuAssociation,
  type ScuOptions,
  storageInformation,
  storagePolicy,
  UserIdentityType,
} from '../index.js';

let provider: Provider;
let association: ScuAssociation | undefined;
afterEach(async () => {
  association?.abort();
  await provider.server.close(0);
});

async function associate(
  policy: AcceptancePolicy,
  contexts: readonly ProposedContext[],
  options: Partial<ScuOptions> = {},
): Promise<ScuAssociation> {
  provider = await startProvider({}, undefined, { handler: {}, policy });
  const to = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' };
  return (association = await ScuAssociation.open({ ...to, ...options }, contexts));
}

describe('roles', () => {
  it.each([
    [undefined, { scu: true, scp: false }],
    [
      { scu: true, scp: true },
      { scu: true, scp: true },
    ],
    [
      { scu: false, scp: true },
      { scu: false, scp: true },
    ],
    [
      { scu: true, scp: false },
      { scu: true, scp: false },
    ],
  ])('asked for as %o are ours as far as they are granted', async (roles, ours) => {
    const context = { ...proposed(ctImageStorage), ...(roles ? { roles } : {}) };
    const scu = await associate(openPolicy([ctImageStorage]), [context]);
    expect(scu.contexts[0]?.weAre).toEqual(ours);
    expect(provider.accepted[0]?.contexts[0]?.weAre).toEqual({ scu: ours.scp, scp: ours.scu });
  });

  it('a provider of storage alone leaves us the SCU, and refuses a context on which we would be none', async () => {
    const both = { ...proposed(ctImageStorage), roles: { scu: true, scp: true } };
    expect((await associate(storagePolicy(), [both])).contexts[0]?.weAre).toEqual({ scu: true, scp: false });
    association?.abort();
    await provider.server.close(0);
    const none = { ...proposed(ctImageStorage), roles: { scu: false, scp: true } };
    const scu = await associate(storagePolicy(), [none]);
    expect(() => scu.contextFor(ctImageStorage)).toThrow(ContextRefusedError);
    expect(() => scu.contextFor(ctImageStorage)).toThrow(/user rejection/);
  });
});

describe('an asynchronous operations window', () => {
  it.each([
    [8, { invoked: 3, performed: 0 }, { invoked: 3, performed: 8 }],
    [4, { invoked: 0, performed: 9 }, { invoked: 4, performed: 4 }],
    [1, { invoked: 8, performed: 8 }, { invoked: 1, performed: 1 }],
  ])('of at most %i is granted to %o as %o', async (operationsMax, operationsWindow, granted) => {
    const policy = openPolicy([], { operationsMax });
    const scu = await associate(policy, [proposed(studyRootFind)], { operationsWindow });
    expect(scu.operationsWindow).toEqual(granted);
  });

  it('lets requests be served at the same time, and their answers come in any order', async () => {
    let running = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    provider = await startProvider(
      {},
      async ({ dataset: bytes }) => {
        most = Math.max(most, ++running);
        bytes.resume();
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
          // The last one first.
          if (waiting.length === 4) for (const go of waiting.splice(0).reverse()) go();
        });
        running--;
        return { status: 0 };
      },
      { handler: {}, policy: openPolicy([ctImageStorage], { operationsMax: 4 }) },
    );
    const to = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' };
    const operationsWindow = { invoked: 4, performed: 1 };
    association = await ScuAssociation.open({ ...to, operationsWindow }, [proposed(ctImageStorage)]);
    const scu = association;
    const stores = Array.from({ length: 12 }, (_, index) =>
      scu.store(scu.contextFor(ctImageStorage), ctImageStorage, `1.2.${index}`, () =>
        once(dataset({ sopInstanceUid: `1.2.${index}`, pixelBytes: 100_000 })),
      ),
    );
    expect((await Promise.all(stores)).map(({ status }) => status)).toEqual(Array(12).fill(0));
    expect(most).toBe(4);
    await scu.release();
  });
});

describe('a user identity', () => {
  const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('utf8');
  it.each([
    [{ username: 'zoë' }, UserIdentityType.Username, 'zoë', ''],
    [{ username: 'zoë', passcode: 'geheim' }, UserIdentityType.UsernameAndPasscode, 'zoë', 'geheim'],
    [{ kerberosTicket: Buffer.from('ticket') }, UserIdentityType.Kerberos, 'ticket', ''],
    [{ samlAssertion: '<a/>' }, UserIdentityType.Saml, '<a/>', ''],
    [{ jwt: 'a.b.c' }, UserIdentityType.Jwt, 'a.b.c', ''],
  ])('of %o comes as it was said', async (userIdentity, type, primary, secondary) => {
    const policy = openPolicy([], { userIdentityResponse: Buffer.from('welcome') });
    const asking = { ...userIdentity, positiveResponseRequested: true };
    const scu = await associate(policy, [proposed(studyRootFind)], { userIdentity: asking });
    const identity = provider.associations[0]?.userIdentity;
    expect([identity?.type, text(identity?.primary), text(identity?.secondary)]).toEqual([type, primary, secondary]);
    expect(text(scu.userIdentityResponse)).toBe('welcome');
  });

  it('is answered only when that is asked for, and may be a reason to reject', async () => {
    const policy = openPolicy([], { userIdentityResponse: Buffer.from('welcome') });
    const userIdentity = { username: 'zoë' };
    const scu = await associate(policy, [proposed(studyRootFind)], { userIdentity });
    expect(scu.userIdentityResponse).toBeUndefined();
    scu.abort();
    await provider.server.close(0);
    provider = await startProvider({
      onAssociation: (info) => (info.userIdentity ? rejectedWithoutReason : { handler: { ended: () => undefined } }),
    });
    const to = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' };
    await expect(ScuAssociation.open({ ...to, userIdentity }, [proposed(studyRootFind)])).rejects.toMatchObject({
      result: 1,
      source: 1,
      reason: 1,
    });
  });
});

describe('a role the requestor may not have', () => {
  const policy: AcceptancePolicy = {
    accept: ({ transferSyntaxUids }) => ({
      transferSyntaxUid: transferSyntaxUids[0],
      storage: true,
      requestorRoles: { scu: false, scp: true },
    }),
  };
  it('is refused also where no role is selected, which asks for the one of SCU', async () => {
    const scu = await associate(policy, [proposed(ctImageStorage)]);
    expect(scu.contexts).toEqual([]);
    expect(() => scu.contextFor(ctImageStorage)).toThrow(/user rejection/);
  });

  it('is taken off where the other one is asked for, too', async () => {
    const roles = { scu: true, scp: true };
    const scu = await associate(policy, [{ ...proposed(ctImageStorage), roles }]);
    expect(scu.contexts).toMatchObject([{ weAre: { scu: false, scp: true } }]);
  });
});

describe('extended negotiation', () => {
  it('is answered for accepted SOP classes by what their service says', async () => {
    const policy = openPolicy([], { answerExtended: (_uid, asked) => Buffer.from([...asked].map((byte) => byte & 1)) });
    const scu = await associate(policy, [{ ...proposed(studyRootFind), extendedNegotiation: Buffer.from([1, 2, 3]) }]);
    expect(provider.associations[0]?.extendedNegotiation).toEqual([
      { sopClassUid: studyRootFind, information: Buffer.from([1, 2, 3]) },
    ]);
    expect(scu.extendedNegotiation).toEqual([{ sopClassUid: studyRootFind, information: Buffer.from([1, 0, 1]) }]);
  });

  it('that cannot be written ends the association, and leaves nothing of it behind', async () => {
    const policy = openPolicy([], { answerExtended: () => Buffer.alloc(70_000) });
    const asked = { ...proposed(studyRootFind), extendedNegotiation: Buffer.from([1]) };
    await expect(associate(policy, [asked])).rejects.toBeInstanceOf(AssociationAbortedError);
    await until(() => provider.ends.length === 1);
  });

  it('is answered once for each SOP class, however often it is asked about: as it is asked last', () => {
    const user = {
      roles: [],
      commonExtendedNegotiation: [],
      extendedNegotiation: Array.from({ length: 2_000 }, (_, index) => ({
        sopClassUid: studyRootFind,
        information: Buffer.of(index === 1_999 ? 1 : 0),
      })),
      pduBytesMax: 0,
      implementationClassUid: '',
      implementationVersionName: '',
    };
    const contexts = [{ id: 1, abstractSyntaxUid: studyRootFind, transferSyntaxUids: ['1.2.840.10008.1.2'] }];
    const request = { protocolVersion: 1, calledAet: '', callingAet: '', applicationContextUid: '', contexts, user };
    const policy = openPolicy([], { answerExtended: (_uid, information) => information });
    expect(negotiate(request, policy).user.extendedNegotiation).toEqual([
      { sopClassUid: studyRootFind, information: Buffer.of(1) },
    ]);
  });

  const privateClass = '1.2.826.0.1.3680043.9.9999.1';
  it.each([
    [
      'named to be of the Storage service class',
      { serviceClassUid: '1.2.840.10008.4.2', relatedGeneralSopClassUids: [] },
    ],
    ['related to a storage class', { serviceClassUid: '', relatedGeneralSopClassUids: [ctImageStorage] }],
  ])('a private SOP class %s is stored', async (_how, common) => {
    provider = await startProvider();
    const to = { host: '127.0.0.1', port: provider.port, calledAet: 'CALLOSUM', callingAet: 'TEST' };
    association = await ScuAssociation.open(to, [{ ...proposed(privateClass), common }]);
    const answer = await association.store(association.contextFor(privateClass), privateClass, '1.2.3', () =>
      once(dataset()),
    );
    expect(answer).toEqual({ status: 0 });
    expect(provider.stored[0]?.request.sopClassUid).toBe(privateClass);
  });

  it('a private SOP class that is set is stored, and storage says what becomes of objects', async () => {
    const policy = storagePolicy([], { sopClassUids: [privateClass], information: storageInformation });
    const asked = { extendedNegotiation: Buffer.from([2, 0, 0, 0, 2, 0]) };
    const verification = '1.2.840.10008.1.1';
    const scu = await associate(policy, [
      { ...proposed(privateClass), ...asked },
      { ...proposed(ctImageStorage), ...asked },
      { ...proposed(verification), ...asked },
    ]);
    expect(scu.contexts).toHaveLength(3);
    const information = Buffer.from([2, 0, 3, 0, 0, 0]);
    expect(scu.extendedNegotiation).toEqual([
      { sopClassUid: privateClass, information },
      { sopClassUid: ctImageStorage, information },
    ]);
  });

  it('a private SOP class of which nothing is said, or that is of another service, is refused', async () => {
    const common = { serviceClassUid: '1.2.3', relatedGeneralSopClassUids: [studyRootFind] };
    const scu = await associate(storagePolicy(), [{ ...proposed(privateClass), common }, proposed('1.2.3.4')]);
    expect(scu.contexts).toEqual([]);
    expect(() => scu.contextFor(privateClass)).toThrow(/abstract syntax not supported/);
  });
});

it('an order of preference of transfer syntaxes goes before ours, and before a compressed one that stands first', () => {
  const [implicit, explicit, jpeg] = ['1.2.840.10008.1.2', '1.2.840.10008.1.2.1', '1.2.840.10008.1.2.4.50'];
  const preferred = [jpeg, implicit] as string[];
  expect(chooseTransferSyntax([explicit, implicit] as string[], preferred)).toBe(implicit);
  expect(chooseTransferSyntax([explicit, implicit, jpeg] as string[], preferred)).toBe(jpeg);
  expect(chooseTransferSyntax([jpeg, explicit] as string[], [explicit] as string[])).toBe(explicit);
  expect(chooseTransferSyntax([jpeg, explicit] as string[], ['1.2.840.10008.1.2.4.90'])).toBe(jpeg);
});
