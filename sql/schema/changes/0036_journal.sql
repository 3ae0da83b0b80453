-- Postings are found by their number: what no export of the journal has is a few ranges of numbers.
do $$
begin
    create index if not exists transfer_by_id on billing.transfer (transfer_id);
end
$$;
