-- Who may do what: run at the end of every `evbilling migrate`, as the owner. The writer (the DAGs) reads the record
-- and inserts into the few tables named here; everything else it does through functions of the owner. It never
-- deletes in schema billing. finance_reader has schema finance alone. A right that is taken away needs a `revoke` in
-- a revision.
grant usage on schema billing, finance to evbilling_writer;
grant usage, create on schema staging to evbilling_writer;
grant usage on schema finance to finance_reader;

grant select on all tables in schema finance to finance_reader, evbilling_writer;
grant select on public.schema_version to evbilling_writer;
grant select on
billing.account_name,
billing.account_setting,
billing.account_statement_item,
billing.archived_period,
billing.audit_event,
billing.charging_hold,
billing.charging_server,
billing.connector_decision,
billing.correction_line,
billing.effective_decision,
billing.effective_statement,
billing.fence,
billing.gateway_pace,
billing.gateway_payment,
billing.installation,
billing.last_account_statement,
billing.last_correction_line,
billing.ledger_account,
billing.lost_payment,
billing.mail,
billing.paid_outside,
billing.paid_outside_reversal,
billing.payment_attempt,
billing.payment_break,
billing.payment_plan,
billing.receivable,
billing.run,
billing.run_shard,
billing.standing,
billing.standing_difference,
billing.statement,
billing.statement_counter,
billing.statement_sum,
billing.statement_sum_difference,
billing.tie_out,
billing.transfer,
billing.unbilled_account,
billing.unstated_item,
billing.validation_result,
billing.withheld_account
to evbilling_writer;
grant insert on billing.account_setting, billing.audit_event, billing.validation_result to evbilling_writer;
grant insert, update on
billing.fence,
billing.gateway_payment,
billing.payment_break,
billing.payment_plan,
billing.run,
billing.run_shard,
billing.tie_out
to evbilling_writer;

revoke execute on all functions in schema billing from public;
-- The view finance.statements calls it; nothing of the schema can be reached by it.
grant execute on function billing.status_of to finance_reader;
grant execute on function
billing.account_key,
billing.balance_minor,
billing.begin_mail,
billing.claim_attempts,
billing.close_shard,
billing.corrections_due,
billing.drop_stage,
billing.full_comparison_since,
billing.give_up_mail,
billing.hold_fence,
billing.lift_hold,
billing.mail_to_send,
billing.major,
billing.make_shard_table,
billing.note_payments,
billing.number_drafts,
billing.open_attempts,
billing.open_shard,
billing.open_stage,
billing.period_of,
billing.publish_account_statements,
billing.publish_connector_statements,
billing.publish_corrections,
billing.raise_fence,
billing.record_outcomes,
billing.record_paid_outside,
billing.refuse_change,
billing.refuse_change_of_issued_decision,
billing.release_mail,
billing.request_mail,
billing.require_no_hold,
billing.reserve_mail,
billing.reverse_paid_outside,
billing.sample_statements,
billing.settings_in_force,
billing.settle_mail,
billing.settle_stage,
billing.status_of,
billing.take_turns,
billing.yield_to_published
to evbilling_writer;
