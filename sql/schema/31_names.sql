-- What chargers were called when they were counted: for people who read a bill, never to decide by.

-- A row per charger, account and span of months in which it was called the same, so that a month writes only what has
-- changed. Spans of a charger at an account don't overlap. Reading at a period: the row with the latest `from_period`
-- that isn't after it. billing.keep_names() alone writes it.
create table billing.charger_name (
    account_id text not null,
    charger_id text not null,
    from_period billing.period not null,
    -- The first month of which it isn't known any more; null: there is none yet.
    until_period billing.period,
    name text,
    site text,
    scope_status text,
    -- Of all connectors from 1 on; where they have several, `standards` has each by its number.
    standard text,
    standards jsonb,
    primary key (account_id, charger_id, from_period),
    constraint a_span_has_a_month check (until_period is null or until_period > from_period),
    constraint standard_or_standards check (standard is null or standards is null)
);
comment on table billing.charger_name is
    'What a charger was called, where it was, its scope status and standards, from one month until another';
-- Where a charger was, whoever had it.
create index charger_name_by_charger on billing.charger_name (charger_id);
