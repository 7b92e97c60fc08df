WITH reported AS (
  SELECT DISTINCT
    -- Removes the fingerprint, so that duplicate objects (same key and content) count once.
    regexp_replace("$path", '-[0-9a-f]{32}[.]ndjson$', '') AS file,
    id, type, severity, subject, details, flows, first_seen, last_seen, exact
  FROM findings
  WHERE
    "date" >= date_format(current_date - INTERVAL '7' DAY, '%Y-%m-%d') AND type IN ('port-scan', 'host-sweep')
)
SELECT
  subject.srcaddr AS srcaddr,
  -- The source is not public, or flows from it were accepted.
  count_if(severity = 'high') > 0 AS high_severity,
  count(DISTINCT IF(type = 'port-scan', subject.dstaddr)) AS hosts_scanned,
  max(details.distinct_ports) AS most_ports_of_a_host,
  count(DISTINCT IF(type = 'host-sweep', id)) AS ports_swept,
  max(details.distinct_hosts) AS most_hosts_of_a_port,
  sum(IF(type = 'port-scan', flows, 0)) AS port_scan_flows,
  sum(IF(type = 'host-sweep', flows, 0)) AS host_sweep_flows,
  count(DISTINCT file) AS files,
  min(first_seen) AS first_seen,
  max(last_seen) AS last_seen,
  bool_and(exact) AS exact
FROM reported
GROUP BY subject.srcaddr
ORDER BY greatest(port_scan_flows, host_sweep_flows) DESC, srcaddr
LIMIT 100
