-- Breaks between the gateway and our record, the newest first: those that are open, or all.
select b.break_id, b.kind, b.gateway_payment_id, b.statement_id, b.currency, b.recorded_minor, b.gateway_minor,
       b.detail, b.first_seen_at, b.last_seen_at, b.gone_at is null as is_open, s.account_id, s.account_name
from billing.payment_break b
left join billing.statement s on s.statement_id = b.statement_id
where (%(is_all)s or b.gone_at is null) and (%(below)s::bigint is null or b.break_id < %(below)s)
order by b.break_id desc
limit %(most)s
