import {
  commitmentProvider,
  commitmentUser,
  echoContext,
  type ProposedContext,
  proposalsFor,
  queryContext,
  storageContexts,
  StudyRoot,
} from '@callosum/dimse';

import { associationLoads, type ObjectKind } from '../domain/proposed-contexts.js';

/** What stands for objects that are to be sent: one SOP class, one compressed syntax. */
const sample: ObjectKind = {
  sopClassUid: '1.2.840.10008.5.1.4.1.1.2',
  transferSyntaxUid: '1.2.840.10008.1.2.4.90',
};

/** Presentation contexts the node proposes as requestor, by what for: those its senders propose. */
export const proposedContexts = {
  echo: [echoContext],
  find: [queryContext(StudyRoot.Find)],
  move: [queryContext(StudyRoot.Move)],
  get: [queryContext(StudyRoot.Get), ...storageContexts()],
  'move-objects': associationLoads([sample]).flatMap(({ contexts }) => contexts),
  forwarding: proposalsFor([sample]),
  commitment: [commitmentUser],
  'commitment-report': [commitmentProvider],
} satisfies Readonly<Record<string, readonly ProposedContext[]>>;
