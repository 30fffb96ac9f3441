-- Schema 3: the two ends of a score's 95 % interval.

alter table public.metrics
  add column if not exists interval_low double precision,
  add column if not exists interval_high double precision;
