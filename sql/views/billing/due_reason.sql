-- Why something is due and who has to act, in the words of include/evbilling/payments/due.py, which a test compares.
create or replace view billing.due_reason as
select * from (values
    ('UNACCOUNTED-PAYMENT', 'us', 'The gateway has collected a payment that isn''t recorded; nothing is charged'),
    ('ON-HOLD', 'us', 'Charging is on hold since the warehouse was restored from a backup'),
    ('NOT-ACCEPTED', 'us', 'The gateway refused our request, which isn''t the customer''s fault'),
    ('PAYER-UNCLEAR', 'us', 'The financial admin isn''t clearly a user of the account'),
    ('GIVEN-UP', 'us', 'Declined as often as it is tried automatically'),
    ('UNKNOWN-DECLINE', 'us', 'Declined more than once for a reason that isn''t given'),
    ('NO-METHOD', 'customer', 'No payment method is stored'),
    ('HARD-DECLINE', 'customer', 'Declined for good: only another payment method helps'),
    ('NEEDS-CUSTOMER', 'customer', 'Declined until the customer acts'),
    ('RETRY', 'nobody', 'Declined, and tried again automatically'),
    ('CAPPED', 'nobody', 'Tried as often as is allowed in 30 days'),
    ('METHOD-CHANGED', 'nobody', 'The payment method has changed since the last decline'),
    ('TO-BE-PLANNED', 'nobody', 'Its next try is still to be planned'),
    ('OUTCOME-UNKNOWN', 'nobody', 'Waiting for the gateway''s answer to a charge'),
    ('UNDER-WAY', 'nobody', 'A charge is under way'),
    ('FIRST-TRY', 'nobody', 'Never declined: charged at the next opportunity')
) reasons (reason_id, who_acts, reason);
