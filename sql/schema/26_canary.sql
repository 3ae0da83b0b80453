-- The accounts of a plan whose statements are issued, charged and mailed first; a second word lets the rest be issued.
-- billing.choose_canary() alone writes them, until the plan is decided on. `picked_by`: who named them with the
-- approval; null: they are those of the policy's rule.
-- requires: functions/audit/refuse_change.sql

create table billing.plan_canary (
    plan_id bigint not null references billing.plan,
    account_id text not null,
    picked_by text,
    primary key (plan_id, account_id)
);
comment on table billing.plan_canary is 'Whose statements of a plan are issued first, before a person decides on the rest';
create trigger canary_is_immutable before update on billing.plan_canary
for each row execute function billing.refuse_change();
create trigger canary_is_not_emptied before truncate on billing.plan_canary
for each statement execute function billing.refuse_change();
