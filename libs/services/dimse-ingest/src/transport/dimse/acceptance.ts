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
  { role, transferSyntaxUids }: ContextProposal,
): ContextAcceptance | undefined {
  if (acceptance?.storage !== true) return acceptance;
  const { transferSyntaxUid: chosen = '' } = acceptance;
  // What it takes only is ours to write: a lossy syntax would hold nothing but what is kept in it. Videos are kept in theirs.
  const isOurs = role?.scp === true && !role.scu && !isWritten(chosen) && !isVideo(chosen);
  return {
    ...acceptance,
    transferSyntaxUid: (isOurs ? transferSyntaxUids.find(isWritten) : undefined) ?? acceptance.transferSyntaxUid,
    requestorRoles: { scu: true, scp: true },
  };
}

/** MPEG-2, MPEG-4 and HEVC (PS3.5 annex A.4.5 to A.4.9), in fragments or not. */
const isVideo = (uid: string): boolean => /^1\.2\.840\.10008\.1\.2\.4\.10[0-8](\.1)?$/.test(uid);

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
