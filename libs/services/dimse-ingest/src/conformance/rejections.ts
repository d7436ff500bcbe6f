import type { AssociationRejection } from '@callosum/dimse';

import type { PeerRefusal } from '../application/admit-peer.js';
import type { IdentityRefusal } from '../application/check-user-identity.js';
import { rejectionOf } from '../transport/dimse/rejections.js';

/** Each reason in words: one that is added has none, and does not compile. */
const words: Readonly<Record<PeerRefusal | IdentityRefusal, string>> = {
  'unknown-aet': 'the calling AE title is not known',
  'wrong-address': 'the AE calls from another address than its own',
  'tls-required': 'the AE calls without TLS, and its entry requires it',
  'wrong-certificate': 'the AE shows another certificate than its own',
  'user-missing': 'the user identity is missing where one is required',
  'user-unknown': 'the user is not let in',
  'user-kind-not-supported': 'the user identity is of a kind that is not taken',
  'user-in-clear': 'the user identity came without TLS',
  'identity-provider-away': 'the identity provider cannot be asked now',
};

/** How peers that are not let in are answered, by the mapping that answers them. */
export const statedRejections: readonly (readonly [rejection: AssociationRejection, when: string])[] = (
  Object.keys(words) as (keyof typeof words)[]
).map((why) => [rejectionOf(why), words[why]]);
