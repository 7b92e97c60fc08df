WITH files AS (
  SELECT
    account_id,
    region,
    CAST(from_iso8601_timestamp("window".start) AS timestamp) AS window_start,
    CAST(from_iso8601_timestamp("window"."end") AS timestamp) AS window_end
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '14' DAY, '%Y-%m-%d')
),
hours AS (
  SELECT places.account_id, places.region, from_hour
  FROM (SELECT DISTINCT account_id, region FROM files) AS places
  CROSS JOIN UNNEST(
    sequence(
      CAST(current_date - INTERVAL '7' DAY AS timestamp),
      CAST(current_date AS timestamp) - INTERVAL '1' HOUR,
      INTERVAL '1' HOUR
    )
  ) AS t (from_hour)
),
missing AS (
  SELECT
    hours.account_id,
    hours.region,
    hours.from_hour,
    -- Consecutive hours have the same distance to their row number, so they become one row below.
    row_number() OVER (PARTITION BY hours.account_id, hours.region ORDER BY hours.from_hour) AS place
  FROM hours
  LEFT JOIN files
    ON files.account_id = hours.account_id
    AND files.region = hours.region
    AND files.window_start < hours.from_hour + INTERVAL '1' HOUR
    AND files.window_end > hours.from_hour
  GROUP BY hours.account_id, hours.region, hours.from_hour
  HAVING count(files.account_id) = 0
)
SELECT
  account_id,
  region,
  min(from_hour) AS missing_from,
  max(from_hour) + INTERVAL '1' HOUR AS missing_until,
  count(*) AS hours
FROM missing
GROUP BY account_id, region, from_hour - place * INTERVAL '1' HOUR
ORDER BY account_id, region, missing_from
