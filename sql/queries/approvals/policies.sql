-- Every approval policy ever recorded, the newest first, for `evbilling policy show` and its page.
select policy_id, effective_from::text as effective_from, mode, max_connector_change_percent, max_money_change_percent,
       max_account_change_percent, account_change_floor, max_accounts_on_hold, max_expected_on_hold,
       ask_first_month_of_account, ask_first_month, four_eyes, deadline_hours, remind_hours, late_after_hours,
       canary_statements, actor, reason, recorded_at
from billing.approval_policy
order by policy_id desc
