import { type Attributes, writeDataset } from '@callosum/dicom';
import { ScuAssociation } from '@callosum/dimse';
import { orSkip, startPostgres, type TestPostgres } from '@callosum/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { modality, python } from './test-support/modality.js';
import { TestNode } from './test-support/node.js';
import { begun, ended, json } from './test-support/procedure-steps.js';
import { procedureStepClass } from './transport/dimse/procedure-step.service.js';

const postgres = await orSkip(() => startPostgres());
const explicitVrLittleEndian = '1.2.840.10008.1.2.1';
type Answer = readonly [status: number, comment: string | null];

/** Modality performed procedure steps as pynetdicom sends them. */
describe.skipIf(postgres.missing !== undefined || python.missing !== undefined)('MPPS on the wire', () => {
  const server = postgres.server as TestPostgres;
  let node: TestNode;
  beforeAll(async () => {
    node = await TestNode.start(server);
  });
  afterAll(async () => {
    await node?.stop();
    await server?.stop();
  });
  const operate = (...operations: readonly (readonly unknown[])[]): Promise<(Answer | Record<string, string>)[]> =>
    modality(node.port, 'mpps', { operations });
  const list = (attributes: Attributes) => json(attributes);

  it('is created, ended and asked for, in any character set', async () => {
    const latin = { ...list(begun()), '00080005': { vr: 'CS', Value: ['ISO_IR 100'] } };
    const answers = await operate(
      ['create', '1.2.9.1', latin],
      ['set', '1.2.9.1', list(ended())],
      ['get', '1.2.9.1', ['00100010', '00400252']],
      ['get', '1.2.9.1', ['00400252', '00080070']],
    );
    expect(answers).toEqual([
      [0, null],
      [0, null],
      { SpecificCharacterSet: 'ISO_IR 100', PatientName: 'Müller^Anna', PerformedProcedureStepStatus: 'COMPLETED' },
      [0, null],
      { PerformedProcedureStepStatus: 'COMPLETED' },
      [0x0001, null],
    ]);
    const told = async (): Promise<string[]> =>
      (
        await node.admin.query<{ value: string }>(
          "select value from event_log.events where topic = 'imaging.procedure-step.changed.v1' order by position",
        )
      ).rows.map(({ value }) => (JSON.parse(value) as { status: string }).status);
    await expect.poll(told).toEqual(['PROCEDURE_STEP_STATUS_IN_PROGRESS', 'PROCEDURE_STEP_STATUS_COMPLETED']);
  });

  it('gets a UID of ours when the modality leaves it to us', async () => {
    const context = { abstractSyntaxUid: procedureStepClass, transferSyntaxUids: [explicitVrLittleEndian] };
    const association = await ScuAssociation.open(node.to(), [context]);
    const id = association.contextFor(procedureStepClass);
    const dataset = Buffer.from(writeDataset(list(begun())));
    const { status, sopInstanceUid = '' } = await association.nCreate(id, { dataset });
    expect([status, sopInstanceUid]).toEqual([0, expect.stringMatching(/^2\.25\.\d+$/)]);
    const { PatientID: _id, ...without } = begun();
    const refused = await association.nCreate(id, { dataset: Buffer.from(writeDataset(list(without))) });
    expect(refused).toMatchObject({ status: 0x0120, attributeIdentifiers: [0x0010_0020] });
    await association.release();
    const more = list({ PerformedProcedureStepDescription: 'x' });
    expect(await operate(['set', sopInstanceUid, more])).toEqual([[0, null]]);
  });

  it('is refused in the standard’s words', async () => {
    const { PatientID: _id, ...without } = begun();
    const answers = await operate(
      ['create', '1.2.9.2', list(without)],
      ['create', '1.2.9.2', list(begun({ PerformedProcedureStepStatus: 'COMPLETED' }))],
      ['set', '1.2.9.2', list(ended())],
      ['create', '1.2.9.2', list(begun())],
      ['create', '1.2.9.2', list(begun({ PatientID: 'P-2' }))],
      ['set', '1.2.9.2', list(ended({ PerformedProcedureStepStatus: 'DISCONTINUED' }))],
      ['set', '1.2.9.2', list({ PerformedProcedureStepDescription: 'late' })],
      ['get', '1.2.9.77', []],
    );
    expect(answers.map((answer) => (answer as Answer)[0])).toEqual([
      0x0120, 0x0106, 0x0112, 0, 0x0111, 0, 0x0110, 0x0112,
    ]);
    expect(JSON.stringify(answers)).not.toMatch(/Müller|P-2|ACC-77/);
  });
});
