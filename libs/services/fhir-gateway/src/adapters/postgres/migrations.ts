import type { Migrations } from '@callosum/database';
import { sql } from 'kysely';

export const fhirGatewayMigrations: Migrations = {
  '0001-resources': {
    async up(db) {
      await sql`
        create table resource (
          resource_type text not null,
          id text not null,
          version bigint not null,
          deleted boolean not null,
          last_updated timestamptz not null,
          seq bigint generated always as identity,
          primary key (resource_type, id)
        )`.execute(db);
      await sql`create index resource_by_time on resource (resource_type, last_updated, id)`.execute(db);
      await sql`create index resource_by_seq on resource (resource_type, seq)`.execute(db);
      // json, not jsonb: the text is kept as it came, with the order of its elements.
      await sql`
        create table resource_version (
          resource_type text not null,
          id text not null,
          version bigint not null,
          method text not null,
          last_updated timestamptz not null,
          content json,
          primary key (resource_type, id, version)
        )`.execute(db);
      await sql`
        create table search_index (
          resource_type text not null,
          id text not null,
          param text not null,
          system text,
          value text,
          low timestamptz,
          high timestamptz,
          foreign key (resource_type, id) references resource (resource_type, id)
        )`.execute(db);
      await sql`create index search_index_by_resource on search_index (resource_type, id)`.execute(db);
      // text_pattern_ops serves equality and the prefix match of string searches.
      await sql`create index search_index_by_value on search_index (resource_type, param, value text_pattern_ops)`.execute(
        db,
      );
      await sql`create index search_index_by_date on search_index (resource_type, param, low) where low is not null`.execute(
        db,
      );
    },
  },
};
