import { type DicomJson } from '@callosum/dicom';
import { chooseMessageSyntax, type AssociationHandler, createScpServer, type ScpServer } from '@callosum/dimse';
import { afterEach, describe, expect, it } from 'vitest';

import { DicomPullSource } from './dicom-pull-source.js';
import { DimseRequestors } from './dimse-requestors.js';
import { EntityList } from './entity-list.js';
import { PeerOptions } from './peer-options.js';

const servers: ScpServer[] = [];
/** What nobody hears any more. */
const answers: ((reason: Error) => void)[] = [];
afterEach(async () => {
  for (const answer of answers.splice(0)) answer(new Error('too late'));
  for (const server of servers.splice(0)) await server.close(0);
});

const never = (): Promise<never> => new Promise((_, reject) => answers.push(reject));
const options = new PeerOptions('CALLOSUM');

/** A node that takes every association and every request, and answers none. */
async function silent(): Promise<{ aet: string; host: string; port: number }> {
  const handler: AssociationHandler = {
    async *find() {
      yield await never();
    },
    nEventReport: never,
    ended: () => undefined,
  };
  const accept = ({ transferSyntaxUids }: { transferSyntaxUids: readonly string[] }) => ({
    transferSyntaxUid: chooseMessageSyntax(transferSyntaxUids),
    storage: false,
    requestorRoles: { scu: true, scp: true },
  });
  const server = await createScpServer({
    host: '127.0.0.1',
    port: 0,
    onAssociation: () => ({ handler, policy: { accept } }),
    onError: () => undefined,
  });
  servers.push(server);
  return { aet: 'SILENT', host: '127.0.0.1', port: server.port };
}

describe('a node that says nothing', () => {
  it('is left by a report of a commitment in less time than a retrieve may take', async () => {
    const requestors = new DimseRequestors(new EntityList([await silent()]), options, 200);
    const channel = await requestors.open('SILENT');
    const report = { transactionUid: '1.2.3', committed: [{ sopClassUid: '1.2', sopInstanceUid: '1.3' }], failed: [] };
    await expect(channel.report(report)).rejects.toMatchObject({ code: 'dimse.association-aborted' });
    await channel.close();
  });

  it('is left by the look-up of a pull in less time than a retrieve may take', async () => {
    const source = new DicomPullSource(options, {
      aet: 'CALLOSUM',
      responseMs: 600_000,
      searchMs: 200,
      privateSopClassUids: [],
      onError: () => undefined,
    });
    const identifier: DicomJson = { '00080052': { vr: 'CS', Value: ['STUDY'] } };
    const progress = { signal: new AbortController().signal, onIncomplete: () => undefined };
    const matches = source.find(await silent(), identifier, progress);
    await expect(matches.next()).rejects.toMatchObject({ code: 'dimse.association-aborted' });
  });
});
