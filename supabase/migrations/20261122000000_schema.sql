-- The tables of FedLuna: what fl_store/schema.py says in SQLAlchemy, for Postgres. A test compares the two.
-- Keys are natural or made by the writer, so that writing a row twice changes nothing. There are no foreign
-- keys: rows are carried here from an outbox, and one that is refused must not hold back those beside it.

create table public.sites (
  site text primary key,
  node_id text not null,
  num_train_scans integer not null,
  num_validation_scans integer not null,
  first_seen_at timestamptz not null,
  joined_at timestamptz not null
);

create table public.users (
  name text primary key,
  password_hash text not null,
  role text not null,
  site text,
  is_disabled boolean not null,
  created_at timestamptz not null,
  changed_at timestamptz not null,
  constraint is_bcrypt check (password_hash like '$2b$__$%' and length(password_hash) = 60),
  constraint only_clients_have_a_site check ((role = 'client') = (site is not null))
);

create table public.sessions (
  token_hash text primary key,
  "user" text not null,
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null,
  ended_at timestamptz
);

create table public.login_attempts (
  "user" text,
  address text,
  is_accepted boolean not null,
  attempted_at timestamptz not null,
  attempt_id text primary key
);
create index login_attempts_by_time on public.login_attempts (attempted_at);

-- config and card are json, not jsonb: the order of settings stays as people wrote it
create table public.runs (
  run_id text primary key,
  name text not null,
  state text not null,
  num_rounds integer not null,
  config json not null,
  started_at timestamptz not null,
  ended_at timestamptz,
  reason text
);

create table public.data_cards (
  site text primary key,
  card json not null,
  received_at timestamptz not null
);

create table public.site_rounds (
  run_id text,
  round_no integer,
  site text,
  state text not null,
  train_sent_at timestamptz not null,
  train_received_at timestamptz,
  evaluate_sent_at timestamptz,
  evaluate_received_at timestamptz,
  train_s double precision,
  evaluate_s double precision,
  bytes_down bigint not null,
  bytes_up bigint not null,
  num_examples bigint,
  update_norm double precision,
  update_cosine double precision,
  reason text,
  primary key (run_id, round_no, site)
);

-- site '*' stands for the whole federation
create table public.metrics (
  run_id text,
  round_no integer,
  site text,
  metric text,
  value double precision,
  num_examples bigint,
  recorded_at timestamptz not null,
  not_finite text,
  primary key (run_id, round_no, site, metric),
  constraint not_finite_has_no_value check (value is null or not_finite is null)
);

create table public.rounds (
  run_id text,
  round_no integer,
  started_at timestamptz not null,
  ended_at timestamptz,
  primary key (run_id, round_no)
);

create table public.checkpoints (
  run_id text,
  kind text,
  round_no integer not null,
  file_name text not null,
  sha256 text not null,
  num_bytes bigint not null,
  cpm double precision,
  auc double precision,
  written_at timestamptz not null,
  primary key (run_id, kind)
);

create table public.presence (
  kind text,
  name text,
  state text not null,
  last_seen_at timestamptz not null,
  primary key (kind, name)
);

create table public.events (
  kind text not null,
  text text not null,
  run_id text,
  site text,
  "user" text,
  occurred_at timestamptz not null,
  event_id text primary key
);
create index events_by_time on public.events (occurred_at);
create index events_of_run_by_time on public.events (run_id, occurred_at);

-- Some projects give everybody every right on a new table. Until the next file says who may do what, nobody
-- may do anything.
alter table public.sites enable row level security;
alter table public.users enable row level security;
alter table public.sessions enable row level security;
alter table public.login_attempts enable row level security;
alter table public.runs enable row level security;
alter table public.data_cards enable row level security;
alter table public.site_rounds enable row level security;
alter table public.metrics enable row level security;
alter table public.rounds enable row level security;
alter table public.checkpoints enable row level security;
alter table public.presence enable row level security;
alter table public.events enable row level security;

-- Functions are in a schema of their own, which the Data API does not show, and where another application of
-- the same project has none of that name.
create schema fedluna;

-- What a replay must not undo. The writer sends plain upserts; the rules are the same in fl_store/sqlite.py.

create function fedluna.keep_old() returns trigger language plpgsql set search_path = '' as
$$ begin return null; end $$;

create function fedluna.keep_newer_presence() returns trigger language plpgsql set search_path = '' as
$$ begin if new.last_seen_at < old.last_seen_at then return null; end if; return new; end $$;

create function fedluna.keep_newer_account() returns trigger language plpgsql set search_path = '' as
$$ begin if new.changed_at < old.changed_at then return null; end if; return new; end $$;

create function fedluna.keep_session_ended() returns trigger language plpgsql set search_path = '' as
$$ begin
  new.ended_at := coalesce(old.ended_at, new.ended_at);
  new.seen_at := greatest(old.seen_at, new.seen_at);
  return new;
end $$;

create function fedluna.keep_first_visit() returns trigger language plpgsql set search_path = '' as
$$ begin new.first_seen_at := least(old.first_seen_at, new.first_seen_at); return new; end $$;

create trigger an_event_is_never_changed before update on public.events
  for each row execute function fedluna.keep_old();
create trigger presence_never_moves_back before update on public.presence
  for each row execute function fedluna.keep_newer_presence();
create trigger an_account_never_moves_back before update on public.users
  for each row execute function fedluna.keep_newer_account();
create trigger a_session_that_ended_stays_so before update on public.sessions
  for each row execute function fedluna.keep_session_ended();
create trigger a_site_was_first_seen_when_it_was before update on public.sites
  for each row execute function fedluna.keep_first_visit();
