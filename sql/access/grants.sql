-- Who may do what: run at the end of every `evbilling migrate`, as the owner. The writer (the DAGs) reads the record
-- and inserts into the few tables named here; everything else it does through functions of the owner. It makes nothing
-- itself, neither in staging nor as a temporary table: an owner's function that read a view of the writer would run the
-- writer's code as the owner. It never deletes in schema billing. finance_reader has schema finance alone. What isn't
-- granted here is taken away first.
do $$
declare
    v_right record;
begin
    for v_right in
        select c.oid::regclass as relation, a.privilege_type, a.grantee
        from pg_class c
        cross join aclexplode(c.relacl) a
        where c.relnamespace in ('billing'::regnamespace, 'finance'::regnamespace) and a.privilege_type <> 'SELECT'
          and c.relkind <> 'S'
          and a.grantee in (0, 'evbilling_writer'::regrole, 'finance_reader'::regrole)
    loop
        execute format('revoke %s on %s from %s', v_right.privilege_type, v_right.relation,
                       case v_right.grantee when 0 then 'public' else v_right.grantee::regrole::text end);
    end loop;
end
$$;
revoke all on all sequences in schema billing from evbilling_writer, finance_reader, public;
revoke create on schema billing, staging, finance from evbilling_writer, finance_reader, public;
revoke execute on all functions in schema billing from evbilling_writer, finance_reader, public;

grant usage on schema billing, finance, staging to evbilling_writer;
grant usage on schema finance to finance_reader;

grant select on all tables in schema finance to finance_reader, evbilling_writer;
grant select on public.schema_version to evbilling_writer;
grant select on
billing.account_name,
billing.account_setting,
billing.account_statement_item,
billing.approval_policy,
billing.approval_request,
billing.adjustment,
billing.adjustment_limit,
billing.adjustment_request,
billing.archived_period,
billing.audit_event,
billing.charger_name,
billing.charging_hold,
billing.charging_server,
billing.connector_decision,
billing.correction_line,
billing.due,
billing.due_reason,
billing.effective_decision,
billing.effective_statement,
billing.fence,
billing.forgiveness,
billing.gateway_pace,
billing.gateway_payment,
billing.installation,
billing.journal_chart,
billing.journal_export,
billing.journal_file,
billing.last_account_statement,
billing.last_correction_line,
billing.ledger_account,
billing.listed_payment,
billing.lost_payment,
billing.mail,
billing.mail_document,
billing.missed_month_policy,
billing.paid_outside,
billing.paid_outside_reversal,
billing.payment_attempt,
billing.payment_break,
billing.payment_plan,
billing.payment_return,
billing.plan,
billing.plan_account,
billing.plan_change,
billing.plan_canary,
billing.plan_decision,
billing.plan_sum,
billing.progress,
billing.receivable,
billing.refund_attempt,
billing.run,
billing.run_shard,
billing.service_level_policy,
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
-- What is left to the writer itself, and why: docs/security.md.
grant insert, update on
billing.gateway_payment,
billing.payment_break,
billing.payment_plan
to evbilling_writer;

-- The view finance.statements calls it; nothing of the schema can be reached by it.
grant execute on function billing.status_of to finance_reader;
-- finance.service_levels calls it: it returns the view's rows as of another time.
grant execute on function billing.service_levels_at to finance_reader;
-- finance.missed_months calls it, likewise.
grant execute on function billing.missed_months_at to finance_reader;
grant execute on function billing.missed_month_decisions to finance_reader;
grant execute on function
billing.account_key,
billing.acknowledge_return,
billing.ask_for_approval,
billing.asks_four_eyes,
billing.adjust_statement,
billing.balance_minor,
billing.begin_mail,
billing.changed_by,
billing.claim_alert_messages,
billing.claim_attempts,
billing.claim_refund,
billing.book_late_refund,
billing.close_copy,
billing.close_run,
billing.close_shard,
billing.corrections_due,
billing.decide_on_plan,
billing.drop_stage,
billing.end_alerts,
billing.fail_run,
billing.fault_in_canary,
billing.forgive_months,
billing.forgiven_in,
billing.full_comparison_since,
billing.give_up_mail,
billing.hold_fence,
billing.is_partly_issued,
billing.keep_names,
billing.lift_hold,
billing.lost_customers,
billing.mail_to_send,
billing.major,
billing.make_plan,
billing.make_shard_table,
billing.missed_month_decisions,
billing.missed_months_at,
billing.note_alert_once,
billing.note_alerts,
billing.note_payments,
billing.note_progress,
billing.note_run,
billing.number_drafts,
billing.open_account_stage,
billing.open_attempts,
billing.open_copy,
billing.open_drafts,
billing.open_refund,
billing.open_run,
billing.open_shard,
billing.open_stage,
billing.period_of,
billing.pick_canary,
billing.policy_in_force,
billing.place_of_cause,
billing.plan_hash_of,
billing.publish_account_statements,
billing.publish_canary,
billing.publish_connector_statements,
billing.publish_corrections,
billing.raise_fence,
billing.raise_unbooked,
billing.record_dag_event,
billing.record_findings,
billing.record_journal_chart,
billing.record_journal_export,
billing.record_outcomes,
billing.record_paid_outside,
billing.record_policy,
billing.record_refund,
billing.record_settings,
billing.record_tie_out,
billing.refuse_change,
billing.refuse_change_of_issued_decision,
billing.register_inventory,
billing.reject_ended_run,
billing.release_mail,
billing.request_mail,
billing.require_no_hold,
billing.reserve_mail,
billing.returned_payments,
billing.reverse_paid_outside,
billing.sample_statements,
billing.service_levels_at,
billing.set_missed_month_policy,
billing.set_service_level,
billing.set_adjustment_limit,
billing.settings_in_force,
billing.settle_alert_message,
billing.settle_mail,
billing.settle_run,
billing.settle_stage,
billing.stage_account_statements,
billing.stage_charges,
billing.stage_figures,
billing.stage_items,
billing.status_of,
billing.supersede_earlier_tries,
billing.supersede_run,
billing.sweep_stages,
billing.take_back_forgiveness,
billing.take_lock,
billing.take_turns,
billing.transfers_to_export,
billing.unaccounted_payments,
billing.yield_to_published
to evbilling_writer;
