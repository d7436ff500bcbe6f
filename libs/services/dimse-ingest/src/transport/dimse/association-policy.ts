import {
  type AcceptancePolicy,
  type ContextAcceptance,
  storageInformation,
  storagePolicy,
  verificationSopClassUid,
} from '@callosum/dimse';

import type { Admitted } from '../../application/admit-peer.js';
import { type Permission, permissionFor } from '../../domain/permission.js';
import type { DimseIngestSettings } from '../../settings.js';
import { acceptanceOf } from './acceptance.js';
import type { DimseService } from './dimse-service.js';

/** What a user that was believed is told (PS3.7 table D.3-15): nothing; of a token, too, as this node issues none. */
const believed = new Uint8Array(0);

/** What is accepted of the association of an admitted peer: by the node's settings, its entry, and its user. */
export function policyFor(
  services: readonly DimseService[],
  settings: DimseIngestSettings,
  { entity, may, identityAccepted }: Admitted,
): AcceptancePolicy {
  const preferred = entity?.transferSyntaxUids ?? settings.CALLOSUM_DIMSE_TRANSFER_SYNTAXES;
  const storage = storagePolicy(preferred, {
    sopClassUids: settings.CALLOSUM_DIMSE_PRIVATE_SOP_CLASSES,
    information: storageInformation,
  });
  const policy = acceptanceOf(services, storage);
  return {
    ...policy,
    ...(may ? { accept: (proposal) => restricted(proposal.abstractSyntaxUid, policy.accept(proposal), may) } : {}),
    operationsMax: settings.CALLOSUM_DIMSE_OPERATIONS_MAX,
    ...(identityAccepted ? { userIdentityResponse: believed } : {}),
  };
}

/** What may not be asked for is refused with result 1 (PS3.8 table 9-18); objects of a C-GET come to who may retrieve. */
function restricted(
  sopClassUid: string,
  acceptance: ContextAcceptance | undefined,
  may: readonly Permission[],
): ContextAcceptance | undefined {
  if (!acceptance || sopClassUid === verificationSopClassUid) return acceptance;
  const { scu, scp } = acceptance.requestorRoles ?? { scu: true, scp: false };
  const has = (permission: Permission | undefined): boolean => permission !== undefined && may.includes(permission);
  const requestorRoles = acceptance.storage
    ? { scu: scu && has('store'), scp: scp && has('retrieve') }
    : { scu: scu && has(permissionFor(sopClassUid)), scp: scp && has(permissionFor(sopClassUid)) };
  return { ...acceptance, requestorRoles };
}
