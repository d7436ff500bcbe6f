import { chooseMessageSyntax, type ContextAcceptance, type ContextProposal } from '@callosum/dimse';

import type { QueryRoot } from '../../domain/query-model.js';

/** Query/Retrieve SOP classes that are served (PS3.4 section C.6.1.3 and C.6.2.3), with their information models. */
export const findClasses: Readonly<Record<string, QueryRoot>> = {
  '1.2.840.10008.5.1.4.1.2.1.1': 'patient',
  '1.2.840.10008.5.1.4.1.2.2.1': 'study',
};
export const moveClasses: Readonly<Record<string, QueryRoot>> = {
  '1.2.840.10008.5.1.4.1.2.1.2': 'patient',
  '1.2.840.10008.5.1.4.1.2.2.2': 'study',
};
export const getClasses: Readonly<Record<string, QueryRoot>> = {
  '1.2.840.10008.5.1.4.1.2.1.3': 'patient',
  '1.2.840.10008.5.1.4.1.2.2.3': 'study',
};

/** Identifiers have no pixels. */
export const acceptQuery = ({ transferSyntaxUids }: ContextProposal): ContextAcceptance => ({
  transferSyntaxUid: chooseMessageSyntax(transferSyntaxUids),
  storage: false,
});
