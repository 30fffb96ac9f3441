-- Schema 5: the audit log. Who may read it is in the file of rights that comes after this one; it tells the
-- coordinator of schema 5, too. Applied again, this file changes nothing.

-- A table that another application made under this name is left alone, and nothing is done.
do $$ begin
  if to_regclass('public.audit') is not null and 'audit' <> all (fedluna.tables()) then
    raise exception 'table audit is of another application; FedLuna needs a project of its own';
  end if;
end $$;

create or replace function fedluna.tables() returns text[]
language sql immutable set search_path = '' as $$
  select array['sites', 'site_access', 'users', 'sessions', 'login_attempts', 'runs', 'run_requests',
               'data_cards', 'data_shifts', 'comparisons', 'site_rounds', 'metrics', 'curves', 'rounds',
               'checkpoints', 'presence', 'uploads', 'events', 'audit']
$$;

-- Each entry holds the hash of the one before; a chain is the log of one coordinator or monitor.
create table if not exists public.audit (
  chain text,
  entry_no integer,
  table_name text not null,
  document text not null,
  recorded_at timestamptz not null,
  previous_hash text not null,
  hash text not null,
  primary key (chain, entry_no)
);
create index if not exists audit_by_number on public.audit (entry_no);

-- Until the next file says who may do what, nobody may do anything.
alter table public.audit enable row level security;

-- An entry stays as it was written, whoever is given the right to update one day.
create or replace trigger an_audit_entry_is_never_changed before update on public.audit
  for each row execute function fedluna.keep_old();
