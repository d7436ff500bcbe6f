import { implementationClassUid, implementationVersionName } from '@callosum/dicom';

import type { AcceptedContext } from '../exchange/contexts.js';
import { ContextResult } from '../negotiation.js';
import {
  type AssociateAc,
  type AssociateRq,
  contextsMax,
  dicomApplicationContextUid,
  type RoleSelection,
  type UserIdentity,
  UserIdentityType,
} from '../upper-layer/associate.js';
import type { ProposedContext, ScuOptions, UserIdentityRequest } from './scu-options.js';

/**
 * The A-ASSOCIATE-RQ for these contexts, whose ids are 1, 3, 5… in their order.
 * @throws {RangeError} more than 128 contexts
 */
export function associateRequest(
  options: ScuOptions,
  contexts: readonly ProposedContext[],
  pduBytesMax: number,
): AssociateRq {
  if (contexts.length > contextsMax) throw new RangeError(`${contexts.length} contexts, ${contextsMax} fit`);
  const { calledAet, callingAet, userIdentity, operationsWindow } = options;
  // Negotiated per SOP class, however many contexts it has.
  const classes = [...new Map(contexts.map((context) => [context.abstractSyntaxUid, context])).values()];
  return {
    protocolVersion: 1,
    calledAet,
    callingAet,
    applicationContextUid: dicomApplicationContextUid,
    contexts: contexts.map(({ abstractSyntaxUid, transferSyntaxUids }, index) => ({
      id: contextId(index),
      abstractSyntaxUid,
      transferSyntaxUids,
    })),
    user: {
      pduBytesMax,
      implementationClassUid,
      implementationVersionName,
      roles: classes.flatMap(({ abstractSyntaxUid: sopClassUid, roles }) => (roles ? [{ sopClassUid, ...roles }] : [])),
      extendedNegotiation: classes.flatMap(({ abstractSyntaxUid: sopClassUid, extendedNegotiation: information }) =>
        information ? [{ sopClassUid, information }] : [],
      ),
      commonExtendedNegotiation: classes.flatMap(({ abstractSyntaxUid: sopClassUid, common }) =>
        common ? [{ sopClassUid, ...common }] : [],
      ),
      ...(operationsWindow ? { operationsWindow } : {}),
      ...(userIdentity ? { userIdentity: identityOf(userIdentity) } : {}),
    },
  };
}

export const contextId = (index: number): number => 2 * index + 1;

/** Contexts the peer accepted in a transfer syntax that was proposed for them. */
export function acceptedContexts(proposed: readonly ProposedContext[], accept: AssociateAc): AcceptedContext[] {
  return accept.contexts.flatMap(({ id, result, transferSyntaxUid }) => {
    const context = proposed[(id - 1) / 2];
    if (!context || result !== ContextResult.Acceptance || !context.transferSyntaxUids.includes(transferSyntaxUid))
      return [];
    const { abstractSyntaxUid } = context;
    const answered = accept.user.roles.find(({ sopClassUid }) => sopClassUid === abstractSyntaxUid);
    const weAre = rolesOf(context, answered);
    return [{ id, abstractSyntaxUid, transferSyntaxUid, weAre, storage: weAre.scp }];
  });
}

/** Roles that were asked for and granted; the default ones without an answer (PS3.7 D.3.3.4). */
function rolesOf({ roles }: ProposedContext, answered: RoleSelection | undefined): { scu: boolean; scp: boolean } {
  if (!roles || !answered) return { scu: true, scp: false };
  return { scu: roles.scu && answered.scu, scp: roles.scp && answered.scp };
}

function identityOf(request: UserIdentityRequest): UserIdentity {
  const { positiveResponseRequested = false } = request;
  const text = (value: string): Buffer => Buffer.from(value, 'utf8');
  const identity = (type: number, primary: Uint8Array, secondary: Uint8Array = Buffer.alloc(0)): UserIdentity => ({
    type,
    positiveResponseRequested,
    primary,
    secondary,
  });
  if ('kerberosTicket' in request) return identity(UserIdentityType.Kerberos, request.kerberosTicket);
  if ('samlAssertion' in request) return identity(UserIdentityType.Saml, text(request.samlAssertion));
  if ('jwt' in request) return identity(UserIdentityType.Jwt, text(request.jwt));
  const { username, passcode } = request;
  if (passcode === undefined) return identity(UserIdentityType.Username, text(username));
  return identity(UserIdentityType.UsernameAndPasscode, text(username), text(passcode));
}
