-- Purpose:    replace one slice of dm.dim_territory with the territories of itg and their place in the hierarchy.
-- Grain:      territory_id.
-- Parameters: p_country_code (the slice, ZZ for reference data), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dim_territory('ZZ', '2026-01-05', 'by hand');
create or replace procedure dm.load_dim_territory (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dim_territory
    where country_code = p_country_code;

    insert into dm.dim_territory (
        country_code, territory_id, territory_name, parent_territory_id, level, path, users, is_deleted,
        _as_of_date, _run_id, _loaded_at_utc
    )
    with recursive tree (id, level, path) as (
        -- From the roots down: a circle of parents, which reads of two moments can show, has no root and is never
        -- entered, so this ends.
        select
            territory.id,
            cast(0 as integer),
            cast(coalesce(territory.name, 'Unknown') as varchar(65535))
        from itg.territory as territory
        left join itg.territory as parent on territory.parent_territory2_id = parent.id
        where parent.id is null
        union all
        select
            territory.id,
            cast(tree.level + 1 as integer),
            cast(tree.path || ' / ' || coalesce(territory.name, 'Unknown') as varchar(65535))
        from itg.territory as territory
        inner join tree on territory.parent_territory2_id = tree.id
    ),

    staff as (
        select
            association.territory2_id,
            count(distinct person.id) as users
        from itg.user_territory_association as association
        inner join itg.sf_user as person on association.user_id = person.id
        where association.is_active
        group by association.territory2_id
    )

    select
        territory._country_code,
        territory.id,
        coalesce(territory.name, 'Unknown'),
        coalesce(parent.id, 'UNKNOWN'),
        tree.level,
        tree.path,
        coalesce(staff.users, 0),
        coalesce(territory.is_deleted, false),
        p_as_of_date,
        p_run_id,
        getdate()
    from itg.territory as territory
    left join itg.territory as parent on territory.parent_territory2_id = parent.id
    left join tree on territory.id = tree.id
    left join staff on territory.id = staff.territory2_id
    where territory._country_code = p_country_code;

    -- the unknown member, so that a key that points nowhere still joins
    if p_country_code = 'ZZ' then
        insert into dm.dim_territory (
            country_code, territory_id, territory_name, parent_territory_id, level, path, users, is_deleted,
            _as_of_date, _run_id, _loaded_at_utc
        )
        values ('ZZ', 'UNKNOWN', 'Unknown', 'UNKNOWN', 0, 'Unknown', 0, false, p_as_of_date, p_run_id, getdate());
    end if;
end;
$$ language plpgsql;
