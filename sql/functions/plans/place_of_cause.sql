-- Why a connector is billed otherwise than in the month before, by what the rules say of it then and now: the place of
-- the first cause that applies, in the order of docs/rules.md, after the corrections. With FEE-ZERO a connector is
-- billable: that its account's fees come to nothing is a matter of the fee. No SET, so that queries contain the
-- expression itself.
create or replace function billing.place_of_cause(
    p_was_there boolean, p_is_there boolean, p_is_moved boolean, p_was_billable boolean, p_is_billable boolean,
    p_rule_before text, p_rule_now text, p_closed_before boolean, p_private_before boolean, p_closed_now boolean,
    p_private_now boolean)
returns integer
language sql immutable
return case
    when not (p_was_there and p_is_there) then case when p_is_moved then 2 when p_was_there then 1 else 7 end
    when p_was_billable and p_is_billable then 6
    when 'BILLED-ELSEWHERE' in (p_rule_before, p_rule_now) then 2
    when 'NOT-IN-SERVICE' in (p_rule_before, p_rule_now) then 3
    when p_rule_now = 'SCOPE-CLOSED' and not p_closed_before then 5
    when p_rule_now = 'SCOPE-PRIVATE' and not p_private_before then 5
    when p_rule_before = 'SCOPE-CLOSED' and not p_closed_now then 5
    when p_rule_before = 'SCOPE-PRIVATE' and not p_private_now then 5
    else 4
end;
