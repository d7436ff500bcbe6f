// npm run bench -- database [ROWS]: a real PostgreSQL with the tables of ledger and index filled, their sizes a row, and how
// long the statements of every day take on them.
import { archiveMigrations } from '@callosum/archive';
import { connect, migrate } from '@callosum/database';
import { eventTablesMigrations } from '@callosum/event-log';
import { services } from '@callosum/all-in-one/services';
import { fillInbox, fillIndex, fillIntake, startPostgres } from '@callosum/testing';

const planned = 100_000_000;
const runs = 200;

export async function benchDatabase([given = '1000000']) {
  const rows = Number(given);
  if (!(rows >= 10_000 && rows <= 20_000_000)) throw new RangeError('ROWS is between 10,000 and 20,000,000');
  const server = await startPostgres();
  const opened = [];
  const open = async (schema, migrations) => {
    const database = connect({ ...server.admin, statementTimeoutMs: 7_200_000 }, schema, () => undefined);
    opened.push(database);
    await database.pool.query(`create schema if not exists ${schema}`);
    await migrate(database.db, schema, { ...eventTablesMigrations, ...migrations });
    return database.pool;
  };
  try {
    const archive = await open('archive', archiveMigrations);
    const index = await open('study_index', services.find(({ name }) => name === 'study-index').migrations);
    const filled = Date.now();
    await archive.query(fillIntake(rows));
    await index.query(fillIndex(rows));
    await index.query(fillInbox(rows));
    await archive.query('vacuum analyze');
    const fillSeconds = (Date.now() - filled) / 1000;
    const tables = [];
    for (const table of [
      'archive.intake',
      'study_index.instance',
      'study_index.series',
      'study_index.study',
      'study_index.inbox',
    ])
      tables.push(await sizesOf(archive, table, rows));
    const queries = await timesOf(archive, index, rows);
    const pruned = await pruneTime(index, rows);
    const figures = { rows, fillSeconds, tables, queries, pruned };
    return { text: report(figures), figures };
  } finally {
    await Promise.all(opened.map(({ close }) => close()));
    await server.stop();
  }
}

async function sizesOf(pool, table, instances) {
  const { rows } = await pool.query(
    `select pg_table_size($1::regclass)::float8 as heap, pg_indexes_size($1::regclass)::float8 as indexes,
      (select count(*) from ${table})::float8 as count`,
    [table],
  );
  const [{ heap, indexes, count }] = rows;
  const scale = (planned / instances) * 1e-9;
  return {
    table,
    rows: count,
    heapBytesARow: heap / count,
    indexBytesARow: indexes / count,
    plannedGB: (heap + indexes) * scale,
  };
}

/** Medians and 99th hundredths over rows spread through the tables, in milliseconds. */
async function timesOf(archive, index, rows) {
  const place = (i) => 1 + Math.floor((i * rows) / runs);
  const uids = [];
  for (let i = 0; i < runs; i++)
    uids.push((await archive.query('select * from intake where id = $1', [place(i)])).rows[0]);
  const asked = {
    'ledger: kept objects of a SOPInstanceUID': [
      archive,
      "select * from intake where site = 'default' and sop_instance_uid = $1 order by revision",
      'sop_instance_uid',
    ],
    'ledger: current instances of a study': [
      archive,
      "select * from intake where site = 'default' and current and study_instance_uid = $1 order by id",
      'study_instance_uid',
    ],
    'ledger: is a blob named': [archive, 'select blob_key from intake where blob_key = $1', 'blob_key'],
    'index: an instance by its UID': [
      index,
      'select sop_instance_uid, blob_key from instance where sop_instance_uid = $1',
      'sop_instance_uid',
    ],
    'index: instances of a series with metadata': [
      index,
      'select metadata from instance where series_instance_uid = $1 and study_instance_uid = (select study_instance_uid from series where series_instance_uid = $1)',
      'series_instance_uid',
    ],
    'index: a study': [index, 'select * from study where study_instance_uid = $1', 'study_instance_uid'],
  };
  const found = [];
  for (const [what, [pool, text, column]] of Object.entries(asked)) {
    const times = [];
    for (const row of uids) {
      const started = performance.now();
      await pool.query(text, [row[column]]);
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    found.push({ what, medianMs: times[Math.floor(runs / 2)], p99Ms: times[Math.floor(runs * 0.99)] });
  }
  return found;
}

/** One portion of the inbox's pruning, as Inbox.prune sends it. */
async function pruneTime(index) {
  const started = performance.now();
  const { rowCount } = await index.query(`delete from inbox where ctid = any (array(
    select ctid from inbox where received_at < now() - interval '300 days' limit 5000))`);
  return { rows: rowCount, ms: performance.now() - started };
}

function report({ rows, fillSeconds, tables, queries, pruned }) {
  const n = (value, digits = 0) => value.toLocaleString('en', { maximumFractionDigits: digits });
  return [
    `${n(rows)} instances, filled in ${n(fillSeconds)} s`,
    '',
    `| table | rows | table bytes a row | index bytes a row | GB at ${n(planned)} instances |`,
    '|---|---|---|---|---|',
    ...tables.map(
      (t) => `| ${t.table} | ${n(t.rows)} | ${n(t.heapBytesARow)} | ${n(t.indexBytesARow)} | ${n(t.plannedGB)} |`,
    ),
    '',
    '| query | median ms | p99 ms |',
    '|---|---|---|',
    ...queries.map((q) => `| ${q.what} | ${n(q.medianMs, 2)} | ${n(q.p99Ms, 2)} |`),
    `| inbox: one portion of pruning, ${n(pruned.rows)} rows | ${n(pruned.ms, 1)} | |`,
  ].join('\n');
}
