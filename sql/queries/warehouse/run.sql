-- One run's record.
select run_id, period, state, actor, shard_count, accounts_uri, accounts_sha256, facts, account_ids
from billing.run where run_id = %(run_id)s;
