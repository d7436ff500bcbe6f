import { encodedSyntaxes, nativeSyntaxes } from '@callosum/dicom';
import { type AcceptancePolicy, type ContextAcceptance, type ContextProposal, storagePolicy } from '@callosum/dimse';

import type { DimseService } from './dimse-service.js';

/** Verification and storage, and what the services of this node answer. */
export function acceptanceOf(services: readonly DimseService[], storage = storagePolicy()): AcceptancePolicy {
  const byClass = servicesByClass(services);
  return {
    ...storage,
    accept: (proposal) =>
      byClass.get(proposal.abstractSyntaxUid)?.accept(proposal) ?? withRoles(storage.accept(proposal), proposal),
    answerExtended: (sopClassUid, information) =>
      (byClass.get(sopClassUid) ?? storage).answerExtended?.(sopClassUid, information),
  };
}

/** Whoever retrieves by C-GET takes objects on the association it opened: it is their SCP (PS3.4 section C.5.3). */
function withRoles(
  acceptance: ContextAcceptance | undefined,
  { abstractSyntaxUid, role, transferSyntaxUids }: ContextProposal,
): ContextAcceptance | undefined {
  if (acceptance?.storage !== true) return acceptance;
  const { transferSyntaxUid: chosen = '' } = acceptance;
  // What it takes only is ours to write: another syntax would hold nothing but what is kept in it. Videos are.
  const isOurs = role?.scp === true && !role.scu && !isWritten(chosen) && !videoClasses.has(abstractSyntaxUid);
  return {
    ...acceptance,
    transferSyntaxUid: (isOurs ? transferSyntaxUids.find(isWritten) : undefined) ?? acceptance.transferSyntaxUid,
    requestorRoles: { scu: true, scp: true },
  };
}

/** Video endoscopic, microscopic and photographic image storage (PS3.4 table B.5-1): nothing else than video is in them. */
const videoClasses = new Set([
  '1.2.840.10008.5.1.4.1.1.77.1.1.1',
  '1.2.840.10008.5.1.4.1.1.77.1.2.1',
  '1.2.840.10008.5.1.4.1.1.77.1.4.1',
]);

const isWritten = (uid: string): boolean => nativeSyntaxes.includes(uid) || encodedSyntaxes.includes(uid);

/** @throws {RangeError} two services of one abstract syntax */
export function servicesByClass(services: readonly DimseService[]): ReadonlyMap<string, DimseService> {
  const byClass = new Map<string, DimseService>();
  for (const service of services) {
    for (const uid of service.abstractSyntaxUids) {
      if (byClass.has(uid)) throw new RangeError(`${uid} has two services`);
      byClass.set(uid, service);
    }
  }
  return byClass;
}
