-- Schema 4: what the monitor asks for and shows. Who may read the new tables is in the file of rights that
-- comes after this one; it tells the coordinator of schema 4, too. Applied again, this file changes nothing; it
-- is refused where a newer schema is, whose tables it does not know.
do $$ begin
  if 'audit' = any (fedluna.tables()) then
    raise exception 'this file is too old for the project, which has all that it would make';
  end if;
end $$;

-- A table that another application made under one of these names is left alone, and nothing is done.
do $$
declare
  new_tables text[] := array['site_access', 'run_requests', 'data_shifts', 'comparisons', 'curves', 'uploads'];
  t text;
begin
  foreach t in array new_tables loop
    if to_regclass('public.' || t) is not null and t <> all (fedluna.tables()) then
      raise exception 'table % is of another application; FedLuna needs a project of its own', t;
    end if;
  end loop;
end $$;

create or replace function fedluna.tables() returns text[]
language sql immutable set search_path = '' as $$
  select array['sites', 'site_access', 'users', 'sessions', 'login_attempts', 'runs', 'run_requests',
               'data_cards', 'data_shifts', 'comparisons', 'site_rounds', 'metrics', 'curves', 'rounds',
               'checkpoints', 'presence', 'uploads', 'events']
$$;

alter table public.sites
  add column if not exists version text;

alter table public.site_rounds
  add column if not exists train_began_at timestamptz,
  add column if not exists evaluate_began_at timestamptz;

create table if not exists public.site_access (
  site text primary key,
  is_allowed boolean not null,
  changed_by text not null,
  changed_at timestamptz not null,
  reason text
);

create table if not exists public.run_requests (
  run_id text not null,
  request text not null,
  requested_by text not null,
  requested_at timestamptz not null,
  request_id text primary key
);
create index if not exists run_requests_of_run_by_time on public.run_requests (run_id, requested_at);

create table if not exists public.data_shifts (
  site text,
  other_site text,
  histogram text,
  distance double precision,
  by_chance double precision,
  recorded_at timestamptz not null,
  primary key (site, other_site, histogram)
);

create table if not exists public.comparisons (
  comparison_id text primary key,
  document json not null,
  added_at timestamptz not null
);

-- site '*' stands for the whole federation
create table if not exists public.curves (
  run_id text,
  round_no integer,
  site text,
  curve text,
  points json not null,
  recorded_at timestamptz not null,
  primary key (run_id, round_no, site, curve)
);

create table if not exists public.uploads (
  upload_id text primary key,
  "user" text not null,
  label text not null,
  num_bytes bigint not null,
  num_bytes_received bigint not null,
  state text not null,
  started_at timestamptz not null,
  changed_at timestamptz not null,
  reason text
);

-- Until the next file says who may do what, nobody may do anything.
alter table public.site_access enable row level security;
alter table public.run_requests enable row level security;
alter table public.data_shifts enable row level security;
alter table public.comparisons enable row level security;
alter table public.curves enable row level security;
alter table public.uploads enable row level security;

-- What a replay must not undo; the rules are the same in fl_store/sqlite.py.

create or replace function fedluna.keep_newer_change() returns trigger language plpgsql set search_path = '' as
$$ begin if new.changed_at < old.changed_at then return null; end if; return new; end $$;

create or replace trigger a_request_is_never_changed before update on public.run_requests
  for each row execute function fedluna.keep_old();
create or replace trigger access_never_moves_back before update on public.site_access
  for each row execute function fedluna.keep_newer_change();
create or replace trigger an_upload_never_moves_back before update on public.uploads
  for each row execute function fedluna.keep_newer_change();
