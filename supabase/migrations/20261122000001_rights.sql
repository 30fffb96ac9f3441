-- Who may do what. The coordinator and the monitor come with a secret key (service_role) and may read and
-- write. People may be given a login of Supabase Auth as well; they read what their role allows. Nobody else
-- sees anything. This file may be applied again at any time, to put the rights back.

-- Which account of ours belongs to a login of Supabase Auth; its administrator fills it in by SQL.
create table if not exists app.auth_logins (
  auth_user_id uuid primary key,
  name text not null
);

create or replace function app.my_role() returns text
language sql stable security definer set search_path = '' as $$
  select u.role from public.users u join app.auth_logins l on l.name = u.name
   where l.auth_user_id = (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub')::uuid
     and not u.is_disabled
$$;

create or replace function app.my_site() returns text
language sql stable security definer set search_path = '' as $$
  select u.site from public.users u join app.auth_logins l on l.name = u.name
   where l.auth_user_id = (nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub')::uuid
     and not u.is_disabled
$$;

create or replace function app.tables() returns text[]
language sql immutable set search_path = '' as $$
  select array['sites', 'users', 'sessions', 'login_attempts', 'runs', 'data_cards', 'site_rounds', 'metrics',
               'rounds', 'checkpoints', 'presence', 'events']
$$;

-- Schema version, server clock and missing rights in one answer, for the coordinator's check.
create or replace function public.fedluna_health() returns json
language sql volatile security invoker set search_path = '' as $$
  select json_build_object(
    'schema_version', 2,
    'now', clock_timestamp(),
    'missing_rights', (
      select coalesce(json_agg(t || ': ' || p order by t, p), '[]'::json)
        from unnest(app.tables()) t, unnest(array['select', 'insert', 'update']) p
       where not has_table_privilege(current_user, 'public.' || t, p)))
$$;

revoke all on all functions in schema app from public, anon, authenticated;
revoke all on all tables in schema app from public, anon, authenticated;
revoke all on schema app from public, anon;
revoke all on function public.fedluna_health() from public, anon, authenticated;

grant usage on schema public, app to service_role, authenticated;
grant execute on function public.fedluna_health(), app.tables() to service_role;
grant execute on function app.my_role(), app.my_site() to authenticated;

do $$
declare t text;
begin
  foreach t in array app.tables() loop
    execute format('revoke all on public.%I from public, anon, authenticated', t);
    execute format('grant select on public.%I to authenticated', t);
    execute format('grant select, insert, update, delete on public.%I to service_role', t);
    execute format('alter table public.%I enable row level security', t);
  end loop;
end $$;
alter table app.auth_logins enable row level security;

drop policy if exists to_members on public.runs;
create policy to_members on public.runs for select to authenticated
  using ((select app.my_role()) is not null);

drop policy if exists to_members on public.rounds;
create policy to_members on public.rounds for select to authenticated
  using ((select app.my_role()) is not null);

drop policy if exists to_members on public.checkpoints;
create policy to_members on public.checkpoints for select to authenticated
  using ((select app.my_role()) is not null);

drop policy if exists to_members on public.sites;
create policy to_members on public.sites for select to authenticated
  using ((select app.my_role()) in ('server', 'analyst') or site = (select app.my_site()));

drop policy if exists to_members on public.data_cards;
create policy to_members on public.data_cards for select to authenticated
  using ((select app.my_role()) in ('server', 'analyst') or site = (select app.my_site()));

drop policy if exists to_members on public.site_rounds;
create policy to_members on public.site_rounds for select to authenticated
  using ((select app.my_role()) in ('server', 'analyst') or site = (select app.my_site()));

drop policy if exists to_members on public.metrics;
create policy to_members on public.metrics for select to authenticated
  using ((select app.my_role()) in ('server', 'analyst') or site in ((select app.my_site()), '*'));

drop policy if exists to_members on public.presence;
create policy to_members on public.presence for select to authenticated
  using ((select app.my_role()) = 'server'
      or (kind = 'server' and (select app.my_role()) is not null)
      or (kind = 'site' and ((select app.my_role()) = 'analyst' or name = (select app.my_site()))));

-- An event of no site may name several in its text: a hospital sees its own events only.
drop policy if exists to_members on public.events;
create policy to_members on public.events for select to authenticated
  using ((select app.my_role()) = 'server'
      or ("user" is null and ((select app.my_role()) = 'analyst' or site = (select app.my_site()))));

drop policy if exists to_the_coordinator on public.users;
create policy to_the_coordinator on public.users for select to authenticated
  using ((select app.my_role()) = 'server');

drop policy if exists to_the_coordinator on public.sessions;
create policy to_the_coordinator on public.sessions for select to authenticated
  using ((select app.my_role()) = 'server');

drop policy if exists to_the_coordinator on public.login_attempts;
create policy to_the_coordinator on public.login_attempts for select to authenticated
  using ((select app.my_role()) = 'server');
