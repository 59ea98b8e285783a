-- Purpose:    replace one country of dm.dim_lab with its labs in itg and what they were before.
-- Grain:      lab_id, valid_from.
-- Parameters: p_country_code (the slice), p_as_of_date (order date), p_run_id.
-- Call:       call dm.load_dim_lab('DE', '2026-01-05', 'by hand');
create or replace procedure dm.load_dim_lab (
    p_country_code varchar(2), p_as_of_date date, p_run_id varchar(256)
)
as $$
begin
    delete from dm.dim_lab
    where country_code = p_country_code;

    insert into dm.dim_lab (
        country_code, lab_version_key, lab_id, lab_country_code, lab_name, lab_type, segment, accreditation,
        city, owner_id, is_deleted, is_active_lab, valid_from, valid_to, is_current, _as_of_date, _run_id,
        _loaded_at_utc
    )
    with lab as (
        -- Only records that itg holds: one that the org deleted for good leaves dm with all its history.
        select account.id
        from itg.account as account
        inner join itg.record_type as record_type on account.record_type_id = record_type.id
        where account._country_code = p_country_code
            and record_type.developer_name = 'Lab'
    ),

    version as (
        select
            history.id,
            history.system_modstamp,
            history._read_at_utc,
            history._batch_id,
            -- What changed without touching SystemModstamp is known from the read that saw it.
            case
                when row_number() over (
                    partition by history.id, history.system_modstamp order by history._read_at_utc, history._batch_id
                ) = 1 then history.system_modstamp
                else history._read_at_utc
            end as effective_at_utc,
            case when history.country_code ~ '^[A-Z][A-Z]$' then history.country_code else 'ZZ' end as lab_country_code,
            coalesce(history.name, 'Unknown') as lab_name,
            history.lab_type,
            history.segment,
            history.accreditation,
            history.billing_city as city,
            coalesce(history.owner_id, 'UNKNOWN') as owner_id,
            coalesce(history.is_deleted, false) as is_deleted,
            coalesce(history.is_active, false) and not coalesce(history.is_deleted, false) as is_active_lab
        from itg.account__history as history
        inner join lab on history.id = lab.id
    ),

    overtaken as (
        select
            version.*,
            min(effective_at_utc) over (
                partition by id order by system_modstamp, _read_at_utc, _batch_id
                rows between 1 following and unbounded following
            ) as overtaken_at_utc
        from version
    ),

    -- Neighbours that agree have the same difference of the two numbers; PARTITION BY takes two nulls for the same.
    island as (
        select
            overtaken.*,
            row_number() over (partition by id order by effective_at_utc)
            - row_number() over (
                partition by
                    id, lab_country_code, lab_name, lab_type, segment, accreditation, city, owner_id,
                    is_deleted, is_active_lab
                order by effective_at_utc
            ) as island
        from overtaken
        where overtaken_at_utc is null
            or overtaken_at_utc > effective_at_utc
    ),

    stay as (
        select
            id,
            lab_country_code,
            lab_name,
            lab_type,
            segment,
            accreditation,
            city,
            owner_id,
            is_deleted,
            is_active_lab,
            min(effective_at_utc) as effective_at_utc
        from island
        group by
            id, lab_country_code, lab_name, lab_type, segment, accreditation, city, owner_id, is_deleted,
            is_active_lab, island
    ),

    period as (
        select
            id as lab_id,
            lab_country_code,
            lab_name,
            lab_type,
            segment,
            accreditation,
            city,
            owner_id,
            is_deleted,
            is_active_lab,
            case
                when row_number() over (partition by id order by effective_at_utc) = 1
                    then cast('1900-01-01 00:00:00' as timestamp)
                else effective_at_utc
            end as valid_from,
            coalesce(
                lead(effective_at_utc) over (partition by id order by effective_at_utc),
                cast('9999-12-31 00:00:00' as timestamp)
            ) as valid_to
        from stay
    )

    select
        p_country_code,
        md5(lab_id || '|' || to_char(valid_from, 'YYYY-MM-DD HH24:MI:SS.US')),
        lab_id,
        lab_country_code,
        lab_name,
        lab_type,
        segment,
        accreditation,
        city,
        owner_id,
        is_deleted,
        is_active_lab,
        valid_from,
        valid_to,
        valid_to = cast('9999-12-31 00:00:00' as timestamp),
        p_as_of_date,
        p_run_id,
        getdate()
    from period;

    -- the unknown member, so that a key that points nowhere still joins
    if p_country_code = 'ZZ' then
        insert into dm.dim_lab (
            country_code, lab_version_key, lab_id, lab_country_code, lab_name, owner_id, is_deleted,
            is_active_lab, valid_from, valid_to, is_current, _as_of_date, _run_id, _loaded_at_utc
        )
        values (
            'ZZ', md5('UNKNOWN|1900-01-01 00:00:00.000000'), 'UNKNOWN',
            'ZZ',
            'Unknown',
            'UNKNOWN',
            false,
            false,
            '1900-01-01 00:00:00', '9999-12-31 00:00:00', true, p_as_of_date, p_run_id, getdate()
        );
    end if;
end;
$$ language plpgsql;
