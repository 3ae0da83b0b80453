-- What a period's decisions come to, for `evbilling archive`: in the snapshot in which they are copied. The sums as
-- text, because the bulk driver has no numbers of their width.
select decisions, billed, unit_price_minor::text, digest::text from billing.decision_sums(%(period)s)
