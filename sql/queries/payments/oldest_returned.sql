-- When the oldest payment was made that the gateway lists as refunded or disputed, of those just looked at.
select min(created_at) from billing.gateway_payment
where gone_at is null and (refunded_minor > 0 or dispute is not null) and seen_at >= %(listed_at)s;
