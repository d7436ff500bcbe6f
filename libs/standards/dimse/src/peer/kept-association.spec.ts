import { setTimeout as sleep } from 'node:timers/promises';

import { afterEach, describe, expect, it } from 'vitest';

import { ctImageStorage, dataset, explicitVrLittleEndian } from '../../test-support/objects.js';
import { type Provider, startProvider, until } from '../../test-support/providers.js';
import { implicitVrLittleEndian, once } from '../../test-support/services.js';
import { createScpServer, KeptAssociation, type OutgoingObject, type ScuOptions } from '../index.js';

const jpeg2000Lossless = '1.2.840.10008.1.2.4.90';
const mrImageStorage = '1.2.840.10008.5.1.4.1.1.4';

let provider: Provider | undefined;
const kept: KeptAssociation[] = [];
afterEach(async () => {
  for (const association of kept.splice(0)) association.abort();
  await provider?.server.close(0);
  provider = undefined;
});

const toProvider = ({ port }: { readonly port: number }): ScuOptions => ({
  host: '127.0.0.1',
  port,
  calledAet: 'PACS',
  callingAet: 'CALLOSUM',
});
const association = (to: ScuOptions): KeptAssociation => {
  const made = new KeptAssociation(() => to);
  kept.push(made);
  return made;
};
const object = (sopInstanceUid: string, more: Partial<OutgoingObject> = {}): OutgoingObject => ({
  sopClassUid: ctImageStorage,
  sopInstanceUid,
  transferSyntaxUid: explicitVrLittleEndian,
  dataset: () => once(dataset({ sopInstanceUid })),
  ...more,
});
/** A provider that takes CT and MR in these transfer syntaxes only. */
const taking = (...syntaxes: string[]): Promise<Provider> =>
  startProvider({}, undefined, {
    handler: {},
    policy: {
      accept: ({ transferSyntaxUids }) => ({
        transferSyntaxUid: transferSyntaxUids.find((uid) => syntaxes.includes(uid)),
        storage: true,
      }),
    },
  });

describe('a kept association', () => {
  it('sends one object after the other on one association, byte for byte', async () => {
    provider = await startProvider();
    const pacs = association(toProvider(provider));
    for (const uid of ['1.2.1', '1.2.2', '1.2.3']) expect((await pacs.store(object(uid))).status).toBe(0);
    expect(provider.associations).toHaveLength(1);
    expect(provider.stored[1]?.bytes.equals(dataset({ sopInstanceUid: '1.2.2' }))).toBe(true);
    await pacs.close();
    await until(() => provider?.ends.length === 1);
    expect(provider.ends).toEqual([{ how: 'released' }]);
  });

  it('is opened for all that was said to come, and anew for what was not', async () => {
    provider = await startProvider();
    const pacs = association(toProvider(provider));
    const mr = { sopClassUid: mrImageStorage };
    pacs.expect([object('1.2.1'), object('1.2.2', mr)]);
    await pacs.store(object('1.2.1'));
    await pacs.store(object('1.2.2', mr));
    expect(provider.associations).toHaveLength(1);
    await pacs.store(
      object('1.2.3', { transferSyntaxUid: implicitVrLittleEndian, sopClassUid: `${mrImageStorage}.1` }),
    );
    expect(provider.associations).toHaveLength(2);
  });

  it('proposes what it was told to instead, also when it is opened anew', async () => {
    provider = await startProvider();
    const { server } = provider;
    const contexts = [{ abstractSyntaxUid: ctImageStorage, transferSyntaxUids: [implicitVrLittleEndian] }];
    const pacs = new KeptAssociation(() => toProvider(server), contexts);
    kept.push(pacs);
    const otherwise: OutgoingObject['otherwise'] = ([transferSyntaxUid = '']) =>
      Promise.resolve({ transferSyntaxUid, dataset: () => once(Buffer.from('other!')) });
    for (const uid of ['1.2.1', '1.2.2']) {
      const sent = await pacs.store(object(uid, { otherwise }), { aet: 'VIEWER', messageId: 7 });
      expect(sent.transferSyntaxUid).toBe(implicitVrLittleEndian);
      await pacs.close();
    }
    await expect(pacs.store(object('1.2.3', { sopClassUid: mrImageStorage }))).rejects.toMatchObject({
      code: 'dimse.context-refused',
    });
    expect(pacs.isOpen).toBe(true);
    expect(provider.associations).toHaveLength(3);
    expect(provider.stored[1]?.request.moveOriginator).toEqual({ aet: 'VIEWER', messageId: 7 });
  });

  it('gives an object another form only where the peer does not take it as it is', async () => {
    provider = await taking(implicitVrLittleEndian);
    const pacs = association(toProvider(provider));
    const asked: string[][] = [];
    const otherwise: OutgoingObject['otherwise'] = (accepted) => {
      asked.push([...accepted]);
      return Promise.resolve({ transferSyntaxUid: implicitVrLittleEndian, dataset: () => once(Buffer.from('other!')) });
    };
    const sent = await pacs.store(object('1.2.1', { transferSyntaxUid: jpeg2000Lossless, otherwise }));
    expect(sent).toMatchObject({ status: 0, transferSyntaxUid: implicitVrLittleEndian });
    expect(provider.stored[0]?.bytes.toString()).toBe('other!');
    await pacs.store(object('1.2.2', { transferSyntaxUid: implicitVrLittleEndian, otherwise }));
    expect(asked).toEqual([[implicitVrLittleEndian]]);
    await expect(pacs.store(object('1.2.3', { transferSyntaxUid: jpeg2000Lossless }))).rejects.toMatchObject({
      code: 'dimse.context-refused',
      result: 4,
    });
  });

  it('tells a dataset that fails from a peer that fails, and goes on with the next', async () => {
    provider = await startProvider();
    const pacs = association(toProvider(provider));
    const broken = new Error('a broken frame');
    async function* half(): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.alloc(600_000));
      throw broken;
    }
    await expect(pacs.store(object('1.2.1', { dataset: half }))).rejects.toBe(broken);
    expect(pacs.isOpen).toBe(false);
    expect(await pacs.store(object('1.2.2'))).toMatchObject({ status: 0 });
    expect(provider.stored.map(({ request }) => request.sopInstanceUid)).toEqual(['1.2.2']);
  });

  it('opens another after the peer ended it while nothing was sent', async () => {
    provider = await startProvider();
    const pacs = association(toProvider(provider));
    await pacs.store(object('1.2.1'));
    provider.accepted[0]?.abort('test');
    await sleep(50);
    expect(await pacs.store(object('1.2.2'))).toMatchObject({ status: 0 });
    expect(provider.associations).toHaveLength(2);
  });

  it('does not send an object again that was under way when we aborted it, however long it had been idle', async () => {
    const server = (provider = await startProvider({}, ({ sopInstanceUid }) =>
      sleep(sopInstanceUid === '1.2.1' ? 0 : 400).then(() => ({ status: 0 })),
    ));
    const pacs = association(toProvider(server));
    await pacs.store(object('1.2.1'));
    await sleep(300);
    const aborted = pacs.store(object('1.2.2'));
    setTimeout(() => pacs.abort(), 50);
    await expect(aborted).rejects.toMatchObject({ code: 'dimse.association-aborted' });
    expect(server.associations).toHaveLength(1);
  });

  it('does not send an object again whose answer never came, however long it had been idle', async () => {
    const server = (provider = await startProvider({}, ({ sopInstanceUid }) =>
      sleep(sopInstanceUid === '1.2.1' ? 0 : 1_000).then(() => ({ status: 0 })),
    ));
    const pacs = association({ ...toProvider(server), timeouts: { responseMs: 300 } });
    await pacs.store(object('1.2.1'));
    await sleep(300);
    await expect(pacs.store(object('1.2.2'))).rejects.toMatchObject({ abortCode: 'dimse.no-response' });
    expect(server.associations).toHaveLength(1);
  });

  it('sends nothing on an association that was being opened when we aborted it', async () => {
    const server = (provider = await startProvider());
    const pacs = association(toProvider(server));
    const aborted = pacs.store(object('1.2.1'));
    pacs.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'dimse.association-aborted' });
    expect(server.stored).toEqual([]);
    expect(await pacs.store(object('1.2.2'))).toMatchObject({ status: 0 });
  });

  it('sends over the next one what it made while the peer ended a silent one', async () => {
    const server = (provider = await taking(implicitVrLittleEndian));
    const pacs = association(toProvider(provider));
    let made = 0;
    const otherwise: OutgoingObject['otherwise'] = async () => {
      made++;
      server.accepted.at(-1)?.abort('test');
      await sleep(50);
      return { transferSyntaxUid: implicitVrLittleEndian, dataset: () => once(Buffer.from('other!')) };
    };
    const compressed = { transferSyntaxUid: jpeg2000Lossless };
    expect(await pacs.store(object('1.2.1', { ...compressed, otherwise }))).toMatchObject({ status: 0 });
    expect([made, server.associations.length]).toEqual([1, 2]);
    expect(server.stored.map(({ bytes }) => bytes.toString())).toEqual(['other!']);
    const broken = new Error('a broken frame');
    const breaks = () => otherwise([]).then(() => Promise.reject(broken));
    await expect(pacs.store(object('1.2.2', { ...compressed, otherwise: breaks }))).rejects.toBe(broken);
    // The object is to blame, not the peer.
    expect(pacs.isOpen).toBe(true);
  });

  it('says so when nobody answers', async () => {
    const gone = await createScpServer({
      host: '127.0.0.1',
      port: 0,
      onAssociation: () => ({ result: 1, source: 1, reason: 7 }),
      onError: () => undefined,
    });
    const rejecting = association(toProvider(gone));
    await expect(rejecting.store(object('1.2.1'))).rejects.toMatchObject({ code: 'dimse.association-rejected' });
    await gone.close(0);
    await expect(rejecting.store(object('1.2.1'))).rejects.toMatchObject({ code: 'dimse.peer-unreachable' });
  });
});
