-- What a period's decisions come to, in the snapshot in which they are archived. Sums are text because the bulk driver
-- has no numbers of that width.
select decisions, billed, unit_price_minor::text, digest::text from billing.decision_sums(%(period)s)
