-- What the policies, or a policy that isn't recorded yet, decide on missed months: those of an account or of all, the
-- oldest first. Of a policy of all accounts, those that have none of their own.
select d.account_id, d.period, d.reason_id, d.policy_id, d.decision, d.why
  from billing.missed_month_decisions(%(now)s, %(if_policy)s, %(if_account_id)s) d
 where %(if_policy)s::text is null
    or case when %(if_account_id)s::text is null
            then not exists (select from billing.missed_month_policy p where p.account_id = d.account_id)
            else d.account_id = %(if_account_id)s end
 order by d.period, d.account_id
