-- Schema 3: the two ends of a score's 95 % interval.

alter table public.metrics
  add column if not exists interval_low double precision,
  add column if not exists interval_high double precision;

-- As in the file of rights, for a project that has an earlier one of these.
create or replace function public.fedluna_health() returns json
language sql volatile security invoker set search_path = '' as $$
  select json_build_object(
    'schema_version', 3,
    'now', clock_timestamp(),
    'missing_rights', (
      select coalesce(json_agg(t || ': ' || p order by t, p), '[]'::json)
        from unnest(fedluna.tables()) t, unnest(array['select', 'insert', 'update']) p
       where not has_table_privilege(current_user, 'public.' || t, p)))
$$;
