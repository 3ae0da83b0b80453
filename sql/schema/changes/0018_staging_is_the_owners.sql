-- Drop the writer's objects: scratch tables of runs under way, whose tasks say what to clear, and anything else.
do $$
declare
    v_object record;
begin
    for v_object in
        select i.type, i.identity
        from pg_shdepend d
        cross join lateral pg_identify_object(d.classid, d.objid, 0) i
        where d.dbid = (select oid from pg_database where datname = current_database()) and d.deptype = 'o'
          and d.refobjid = 'evbilling_writer'::regrole and i.schema = 'staging'
    loop
        -- A `statistics object` is dropped as statistics.
        execute format('drop %s if exists %s cascade', replace(v_object.type, ' object', ''),
                       v_object.identity);
    end loop;
end
$$;
