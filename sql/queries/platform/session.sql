-- What role, database and environment may have set otherwise, for this transaction: times are read as UTC, and written
-- in the form that the driver understands. search_path is left alone: a view's functions may need it.
select set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true)
