delete from dm.data_dictionary;
insert into dm.data_dictionary ("view_name", "column_name", "column_position", "data_type", "is_nullable", "caption", "description", "column_role", "format", "aggregation", "folder", "pii", "salesforce_origin", "view_description", "grain", "owner_name", "owner_email") values
('dm.v_fact_test', 'country_code', 1, 'varchar(2)', false, 'Country code', 'Country.', 'dimension', 'text', null, null, 'none', null, 'Facts.', 'test_id', 'Mart Team', 'marts@example.com'),
('dm.v_fact_test', 'test_id', 2, 'varchar(18)', false, 'Test ID', 'The test.', 'dimension', 'text', null, null, 'none', null, 'Facts.', 'test_id', 'Mart Team', 'marts@example.com'),
('dm.v_fact_test', 'count', 3, 'bigint', true, 'Times', 'How often.', 'measure', 'integer', 'sum', null, 'none', null, 'Facts.', 'test_id', 'Mart Team', 'marts@example.com'),
('dm.v_fact_test', 'price', 4, 'numeric(18,2)', true, 'Price', 'What it cost, in EUR.', 'measure', 'decimal', 'average', null, 'none', null, 'Facts.', 'test_id', 'Mart Team', 'marts@example.com');
