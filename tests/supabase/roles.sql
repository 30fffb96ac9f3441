-- What a hosted Supabase project has before its first migration, for the test server.

create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;

-- The API logs in as this role and then takes the caller's. It owns none of our tables, so it can grant
-- nothing on them: @supabase/lite tries to give everybody everything at its first request after each start.
-- It must hold some right, of no use to the caller's role, or it would not see the tables.
create role authenticator login noinherit in role anon, authenticated, service_role;
alter default privileges grant usage on schemas to authenticator;
alter default privileges grant references on tables to authenticator;

-- lite keeps its own tables here and writes these functions again
grant create on database postgres to authenticator;
create schema auth authorization authenticator;
grant usage on schema auth to anon, authenticated, service_role;

set role authenticator;
create function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claim.sub', true), '')::uuid $$;
create function auth.role() returns text language sql stable as
  $$ select nullif(current_setting('request.jwt.claim.role', true), '') $$;
create function auth.jwt() returns jsonb language sql stable as
  $$ select coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb $$;
