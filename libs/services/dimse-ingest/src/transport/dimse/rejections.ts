import {
  type AssociationRejection,
  callingAetNotRecognized,
  localLimitExceeded,
  rejectedWithoutReason,
} from '@callosum/dimse';

import type { PeerRefusal, PlaceRefusal } from '../../application/admit-peer.js';
import type { IdentityRefusal } from '../../application/check-user-identity.js';

/** No reason given: transient, by the service user; the same request may pass later. */
const notNow: AssociationRejection = Object.freeze({ result: 2, source: 1, reason: 1 });

const rejections: Readonly<Record<PeerRefusal | PlaceRefusal | IdentityRefusal, AssociationRejection>> = {
  'unknown-aet': callingAetNotRecognized,
  'wrong-address': callingAetNotRecognized,
  'tls-required': callingAetNotRecognized,
  'wrong-certificate': callingAetNotRecognized,
  'associations-max': localLimitExceeded,
  'ae-associations-max': localLimitExceeded,
  // PS3.7 D.3.3.7: a user who is not let in gets A-ASSOCIATE-RJ, which has no reason of its own for that.
  'user-missing': rejectedWithoutReason,
  'user-unknown': rejectedWithoutReason,
  'user-kind-not-supported': rejectedWithoutReason,
  'user-in-clear': rejectedWithoutReason,
  'identity-provider-away': notNow,
};

/** A-ASSOCIATE-RJ for a peer that is not let in (PS3.8 table 9-21). */
export const rejectionOf = (why: PeerRefusal | PlaceRefusal | IdentityRefusal): AssociationRejection => rejections[why];
