copy "stg"."lab" ("id", "order", "_read_at_utc", "_batch_id")
from 's3://bucket/status/dag/run/copy_manifest.json'
iam_role 'arn:aws:iam::123456789012:role/copy'
region 'eu-central-1'
manifest
format as csv
gzip
ignoreheader 1
dateformat 'auto'
timeformat 'auto'
emptyasnull
null as ''
roundec
compupdate off
statupdate on
