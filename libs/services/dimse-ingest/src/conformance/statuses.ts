import {
  commitmentRefusals,
  echoAnswers,
  findAnswers as findProtocol,
  moveRefusals,
  normalizedRefusals,
  operationAnswers,
  requestAnswers,
  retrieveAnswers as retrieveProtocol,
  type StatedAnswer,
  type StatedAnswers,
  storeRefusals,
} from '@callosum/dimse';

import {
  commitmentAnswers,
  commitmentReportAnswers,
  findAnswers,
  moveAnswers,
  retrieveAnswers,
  stepAnswers,
  stepRetrieveAnswers,
  storeAnswers,
  worklistAnswers,
} from '../transport/dimse/answers.js';

const { defect, otherRole, unserved } = operationAnswers;

/** A later group says in its own words what an earlier one has under the same name. */
const linesOf = (...groups: readonly StatedAnswers[]): readonly StatedAnswer[] =>
  Object.values<StatedAnswer>(Object.assign({}, ...groups) as StatedAnswers).concat(
    groups.some((group) => 'defect' in group) ? [] : [defect],
  );

/** Every status the node answers with, by what it answers; made of the lines the answers are taken from. */
export const statedStatuses = {
  echo: Object.values(echoAnswers),
  store: linesOf(storeRefusals, storeAnswers),
  find: linesOf(findProtocol, findAnswers),
  move: [...linesOf(retrieveProtocol, moveRefusals), ...Object.values({ ...retrieveAnswers, ...moveAnswers })],
  get: [...linesOf(retrieveProtocol), ...Object.values(retrieveAnswers)],
  worklist: linesOf(findProtocol, worklistAnswers),
  step: linesOf(normalizedRefusals, stepAnswers),
  'step-retrieve': linesOf(normalizedRefusals, stepRetrieveAnswers),
  commitment: linesOf(normalizedRefusals, commitmentRefusals, commitmentAnswers),
  'commitment-report': linesOf(
    normalizedRefusals,
    { unreadable: commitmentRefusals.unreadable },
    commitmentReportAnswers,
  ),
  /** Of any request, whatever its service. */
  any: [...Object.values(requestAnswers), unserved, otherRole],
} satisfies Readonly<Record<string, readonly StatedAnswer[]>>;
export type StatusTable = keyof typeof statedStatuses;

/** PS3.2's word for a status (PS3.7 annex C). */
export type ServiceStatus = 'Pending' | 'Success' | 'Warning' | 'Cancel' | 'Failure';

export function serviceStatusOf(status: number): ServiceStatus {
  if (status === 0x0000) return 'Success';
  if (status === 0xff00 || status === 0xff01) return 'Pending';
  if (status === 0xfe00) return 'Cancel';
  const warns = status === 0x0001 || status === 0x0107 || status === 0x0116 || (status & 0xf000) === 0xb000;
  return warns ? 'Warning' : 'Failure';
}

/** Lines by status, in the order of PS3.2's tables; several reasons of one status stand together. */
export function statusRows(lines: readonly StatedAnswer[]): { status: number; whens: string[] }[] {
  const order: readonly ServiceStatus[] = ['Pending', 'Success', 'Warning', 'Cancel', 'Failure'];
  const byStatus = Map.groupBy(lines, ({ status }) => status);
  return [...byStatus]
    .map(([status, of]) => ({ status, whens: [...new Set(of.map(({ when }) => when))] }))
    .sort((a, b) => {
      const rank = ({ status }: { status: number }): number => order.indexOf(serviceStatusOf(status));
      return rank(a) - rank(b) || a.status - b.status;
    });
}
