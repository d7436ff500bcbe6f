import type pg from 'pg';

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Plan[];
}
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Every statement that connections of `pool` send from now on; call it before the first. */
export function recordStatements(pool: pg.Pool): Statement[] {
  const recorded: Statement[] = [];
  pool.on('connect', (client) => {
    const send = client.query.bind(client) as (...parts: unknown[]) => unknown;
    const recording = (...parts: unknown[]): unknown => {
      const [text, values] = parts;
      if (typeof text === 'string') recorded.push({ text, values: Array.isArray(values) ? values : [] });
      return send(...parts);
    };
    client.query = recording as typeof client.query;
  });
  return recorded;
}

/** Tables of `large` that a statement would read from one end to the other, as the planner says now. */
export async function fullReads(
  pool: pg.Pool,
  { text, values }: Statement,
  large: readonly string[],
): Promise<string[]> {
  if (!/^\s*(select|with|insert|update|delete)\b/i.test(text)) return [];
  const { rows } = await pool.query<{ 'QUERY PLAN': readonly { Plan: Plan }[] }>(`explain (format json) ${text}`, [
    ...values,
  ]);
  const found: string[] = [];
  const visit = (plan: Plan): void => {
    const table = plan['Relation Name'];
    if (plan['Node Type'] === 'Seq Scan' && table !== undefined && large.includes(table)) found.push(table);
    plan.Plans?.forEach(visit);
  };
  rows[0]?.['QUERY PLAN'].forEach(({ Plan: plan }) => visit(plan));
  return found;
}
