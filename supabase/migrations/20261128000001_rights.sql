-- Who may do what. The coordinator and the monitor come with a secret key (service_role), read and write.
-- People may be given a login of Supabase Auth as well, and read what their role in public.users allows:
--
--   server    all rows
--   analyst   all but users, sessions, login attempts, requests and rows about users
--   client    rows of its own site, metrics and curves of the federation, and which runs, rounds and models
--             there are
--
-- and each of them the scans that they have uploaded themselves.
--
-- An account that is disabled, a login without an account and whoever has none see nothing. No login reads a
-- hash, or why a run came to its end, since that may name hospitals; events tell those who see all sites. Nor
-- does one read who let a site in or shut it out, and why.
--
-- It holds all rights: the earlier file is needed on the way here only. A newer file of rights takes the place of
-- this one: to put rights back, apply the newest. This one knows nothing of the audit log, and is refused where
-- that is.
do $$ begin
  if to_regclass('public.audit') is not null then
    raise exception 'this file of rights is too old for the project; apply the newest ..._rights.sql';
  end if;
end $$;

-- Which account of ours belongs to a login of Supabase Auth; its administrator fills it in by SQL.
create table if not exists fedluna.auth_logins (
  auth_user_id uuid primary key,
  name text not null
);
alter table fedluna.auth_logins enable row level security;

create or replace function fedluna.my_name() returns text
language sql stable security definer set search_path = '' as $$
  select u.name from public.users u join fedluna.auth_logins l on l.name = u.name
   where l.auth_user_id::text = nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'
     and not u.is_disabled
$$;

create or replace function fedluna.my_role() returns text
language sql stable security definer set search_path = '' as $$
  select u.role from public.users u join fedluna.auth_logins l on l.name = u.name
   where l.auth_user_id::text = nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'
     and not u.is_disabled
$$;

create or replace function fedluna.my_site() returns text
language sql stable security definer set search_path = '' as $$
  select u.site from public.users u join fedluna.auth_logins l on l.name = u.name
   where l.auth_user_id::text = nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'
     and not u.is_disabled
$$;

-- Schema version, server clock and missing rights in one answer, for the coordinator's check.
create or replace function public.fedluna_health() returns json
language sql volatile security invoker set search_path = '' as $$
  select json_build_object(
    'schema_version', 4,
    'now', clock_timestamp(),
    'missing_rights', (
      select coalesce(json_agg(t || ': ' || p order by t, p), '[]'::json)
        from unnest(fedluna.tables()) t, unnest(array['select', 'insert', 'update']) p
       where not has_table_privilege(current_user, 'public.' || t, p)))
$$;

revoke all on schema fedluna from public, anon, authenticated;
revoke all on all tables in schema fedluna from public, anon, authenticated;
revoke all on all functions in schema fedluna from public, anon, authenticated;
revoke all on function public.fedluna_health() from public, anon, authenticated;

grant usage on schema public to service_role, authenticated;
grant usage on schema fedluna to service_role;
grant execute on function public.fedluna_health(), fedluna.tables() to service_role;
grant execute on function fedluna.my_name(), fedluna.my_role(), fedluna.my_site() to authenticated;

do $$
declare
  t text;
  p record;
begin
  foreach t in array fedluna.tables() loop
    execute format('alter table public.%I enable row level security', t);
    execute format('revoke all on public.%I from public, anon, authenticated', t);
    execute format('grant select, insert, update, delete on public.%I to service_role', t);
  end loop;
  for p in select tablename, policyname from pg_policies
            where schemaname = 'public' and tablename = any (fedluna.tables()) loop
    execute format('drop policy %I on public.%I', p.policyname, p.tablename);
  end loop;
end $$;

grant select on public.sites, public.login_attempts, public.run_requests, public.data_cards,
  public.data_shifts, public.comparisons, public.site_rounds, public.metrics, public.curves, public.rounds,
  public.checkpoints, public.presence, public.uploads, public.events to authenticated;
grant select (site, is_allowed, changed_at) on public.site_access to authenticated;
grant select (name, role, site, is_disabled, created_at, changed_at) on public.users to authenticated;
grant select ("user", created_at, seen_at, expires_at, ended_at) on public.sessions to authenticated;
grant select (run_id, name, state, num_rounds, config, started_at, ended_at) on public.runs to authenticated;

-- A function within (select ...) is called once a query, not once a row.

create policy to_members on public.runs for select to authenticated
  using ((select fedluna.my_role()) is not null);

create policy to_members on public.rounds for select to authenticated
  using ((select fedluna.my_role()) is not null);

create policy to_members on public.checkpoints for select to authenticated
  using ((select fedluna.my_role()) is not null);

create policy to_members on public.sites for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst') or site = (select fedluna.my_site()));

create policy to_members on public.site_access for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst') or site = (select fedluna.my_site()));

create policy to_members on public.data_cards for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst') or site = (select fedluna.my_site()));

create policy to_members on public.site_rounds for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst') or site = (select fedluna.my_site()));

create policy to_members on public.metrics for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst') or site = (select fedluna.my_site())
      or (site = '*' and (select fedluna.my_role()) is not null));

create policy to_members on public.curves for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst') or site = (select fedluna.my_site())
      or (site = '*' and (select fedluna.my_role()) is not null));

-- A pair of sites and a comparison name several hospitals.
create policy to_those_who_see_all_sites on public.data_shifts for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst'));

create policy to_those_who_see_all_sites on public.comparisons for select to authenticated
  using ((select fedluna.my_role()) in ('server', 'analyst'));

create policy to_members on public.presence for select to authenticated
  using ((select fedluna.my_role()) = 'server'
      or (kind = 'server' and (select fedluna.my_role()) is not null)
      or (kind = 'site' and ((select fedluna.my_role()) = 'analyst' or name = (select fedluna.my_site()))));

-- An event of no site may name several in its text: a client sees those of its own site only.
create policy to_members on public.events for select to authenticated
  using ((select fedluna.my_role()) = 'server'
      or ("user" is null
          and ((select fedluna.my_role()) = 'analyst' or site = (select fedluna.my_site()))));

create policy to_the_owner on public.uploads for select to authenticated
  using ((select fedluna.my_role()) = 'server' or "user" = (select fedluna.my_name()));

create policy to_the_coordinator on public.run_requests for select to authenticated
  using ((select fedluna.my_role()) = 'server');

create policy to_the_coordinator on public.users for select to authenticated
  using ((select fedluna.my_role()) = 'server');

create policy to_the_coordinator on public.sessions for select to authenticated
  using ((select fedluna.my_role()) = 'server');

create policy to_the_coordinator on public.login_attempts for select to authenticated
  using ((select fedluna.my_role()) = 'server');
