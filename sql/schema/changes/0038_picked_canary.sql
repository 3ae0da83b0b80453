-- Earlier canaries are those of the rule.
alter table billing.plan_canary add column if not exists picked_by text;
drop function if exists billing.choose_canary(billing.plan);
