-- Purpose:    replace one slice of dm.dim_user with the users of itg; their names stay there.
-- Grain:      user_id.
-- Parameters: p_country_code (the slice, ZZ for reference data), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dim_user('ZZ', '2026-01-05', 'by hand');
create or replace procedure dm.load_dim_user (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dim_user
    where country_code = p_country_code;

    insert into dm.dim_user (
        country_code, user_id, title, department, division, manager_id, is_active, territories,
        _as_of_date, _run_id, _loaded_at_utc
    )
    with assignment as (
        select
            association.user_id,
            count(distinct territory.id) as territories
        from itg.user_territory_association as association
        inner join itg.territory as territory on association.territory2_id = territory.id
        where association.is_active
            and territory.is_deleted is not true
        group by association.user_id
    )

    select
        person._country_code,
        person.id,
        person.title,
        person.department,
        person.division,
        coalesce(person.manager_id, 'UNKNOWN'),
        coalesce(person.is_active, false),
        coalesce(assignment.territories, 0),
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.sf_user as person
    left join assignment on person.id = assignment.user_id
    where person._country_code = p_country_code;

    -- the unknown member, so that a key that points nowhere still joins
    if p_country_code = 'ZZ' then
        insert into dm.dim_user (
            country_code, user_id, manager_id, is_active, territories, _as_of_date, _run_id, _loaded_at_utc
        )
        values ('ZZ', 'UNKNOWN', 'UNKNOWN', false, 0, p_as_of_date, p_run_id, getdate());
    end if;
end;
$$ language plpgsql;
