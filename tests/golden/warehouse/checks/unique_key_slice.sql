select cast(id as varchar) as sample_key
from dm.fact_test
where country_code in ('DE', 'ZZ')
group by id
having count(*) > 1;

select cast(id as varchar) as sample_key
from itg.test
where _country_code in ('FR')
group by id
having count(*) > 1;
