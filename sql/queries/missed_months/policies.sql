-- The policies of missed months ever recorded, those in force first, then the newest first: all of them, or those that
-- an account may have.
select p.policy_id, p.account_id, p.policy, p.is_in_force, p.recorded_by as actor, p.reason, p.recorded_at
  from finance.missed_month_policies p
 where %(account_id)s::text is null or p.account_id = %(account_id)s or p.account_id is null
 order by p.is_in_force desc, p.policy_id desc
