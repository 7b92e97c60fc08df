WITH later_read AS (
  SELECT DISTINCT sources[1].uri AS uri, sources[1].version_id AS version_id, sources[1].etag AS etag
  FROM summaries
  WHERE "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
)
SELECT
  quarantined.error,
  quarantined.uri,
  quarantined.version_id,
  quarantined.message,
  quarantined.account_id,
  quarantined.region,
  quarantined."date",
  count(later_read.uri) > 0 AS has_summary
FROM quarantine AS quarantined
LEFT JOIN later_read
  ON later_read.uri = quarantined.uri
  AND coalesce(later_read.version_id, '') = coalesce(quarantined.version_id, '')
WHERE quarantined."date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d')
GROUP BY
  quarantined.error, quarantined.uri, quarantined.version_id, quarantined.message, quarantined.account_id,
  quarantined.region, quarantined."date", quarantined.etag
ORDER BY quarantined."date" DESC, quarantined.error, quarantined.uri
LIMIT 1000
