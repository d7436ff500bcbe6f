import { isDeepStrictEqual } from 'node:util';

import { type Bundle, identifierToken, systems, TransactionBuilder } from '@callosum/fhir';

import { identifierSystems } from './coding.js';
import { narrative } from './narrative.js';
import { type PatientResource, withdrawn } from './patient-resources.js';

const why =
  'Withdrawn: the images that this result stands on are withheld. An earlier version is in the history of this resource.';

/**
 * Takes back what a result said when its images are not shown any more: entered-in-error, without what it found. Each
 * write holds for the version that was read only (If-Match).
 * @returns undefined when all of it is taken back already
 */
export function withdrawalTransaction(
  resources: readonly PatientResource[],
  { jobId, at }: { readonly jobId: string; readonly at: Date },
): Bundle | undefined {
  const transaction = new TransactionBuilder();
  const target: { reference: string }[] = [];
  for (const resource of resources) {
    const { id, meta } = resource;
    if (!id) continue;
    const taken = withdrawn(resource, at, why);
    if (isDeepStrictEqual(taken, resource)) continue;
    target.push(transaction.update({ ...taken, id }, meta?.versionId ? { versionId: meta.versionId } : {}));
  }
  if (target.length === 0) return undefined;
  const publication = `withdrawal ${jobId}`;
  const text = 'Withdrawn: its images are withheld';
  transaction.conditionalUpdate(
    {
      resourceType: 'Provenance',
      meta: { tag: [{ system: identifierSystems.publication, code: publication }] },
      text: narrative(text),
      target,
      recorded: at.toISOString(),
      reason: [{ text: 'Images withheld' }],
      activity: { coding: [{ system: systems.dataOperation, code: 'NULLIFY' }], text },
      agent: [{ who: { display: 'Callosum' } }],
    },
    { _tag: identifierToken({ system: identifierSystems.publication, value: publication }) },
  );
  return transaction.build();
}
