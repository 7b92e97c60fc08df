WITH places AS (
  SELECT
    regexp_extract("$path", '/account_id=([^/]*)/', 1) AS account_id,
    regexp_extract("$path", '/region=([^/]*)/', 1) AS region,
    regexp_extract("$path", '/date=([^/]*)/', 1) AS "date"
  FROM every_summary
)
SELECT
  account_id,
  region,
  min("date") AS first_date,
  max("date") AS last_date,
  count(*) AS objects
FROM places
WHERE
  NOT contains(split('${Accounts},unknown', ','), account_id)
  OR NOT contains(split('${Regions},unknown', ','), region)
  OR "date" NOT BETWEEN '2015-06-01' AND date_format(current_date + INTERVAL '1' DAY, '%Y-%m-%d')
GROUP BY account_id, region
ORDER BY objects DESC, account_id, region
