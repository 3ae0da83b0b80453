-- The sentences of the open breaks that concern these periods, or no statement that is known.
select b.detail from billing.payment_break b
left join billing.statement s on s.statement_id = b.statement_id
where b.gone_at is null and (s.statement_id is null or s.period = any(%(periods)s))
order by b.kind, b.gateway_payment_id;
