-- Adds what one expectation of a run's validation found.
insert into billing.validation_result (
    run_id, suite, shard, expectation, says, severity, success, observed, unexpected_count, sample)
values (
    %(run_id)s, %(suite)s, %(shard)s, %(expectation)s, %(says)s, %(severity)s, %(success)s, %(observed)s,
    %(unexpected_count)s, %(sample)s);
