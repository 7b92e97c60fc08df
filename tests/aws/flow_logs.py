"""Small flow logs with recent times, because CloudWatch rejects metrics for old times."""

import gzip as gzip_
import time

ACCOUNT = "123456789012"
HEADER = (
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action "
    "log-status\n"
)
# A minute, some minutes ago.
START = int(time.time()) // 60 * 60 - 600
END = START + 60

# Number of ports on one host that makes a port scan, by default.
SCAN_PORTS = 15


def record(src="10.0.0.9", dst="10.0.0.5", port=443, action="ACCEPT"):
    return f"2 {ACCOUNT} eni-0a1b {src} {dst} 40000 {port} 6 2 120 {START} {END} {action} OK\n"


def scan(src, dst="10.0.0.5"):
    """Returns the records of one port-scan finding: high severity from a private address, otherwise medium."""
    return "".join(record(src, dst, port, "REJECT") for port in range(1, SCAN_PORTS + 1))


def skipped():
    """Returns a record that makes one finding of low severity."""
    return f"2 {ACCOUNT} eni-0a1b - - - - - - - {START} {END} - SKIPDATA\n"


def flow_log(scans=0, accepted=1, extra=""):
    """Returns a log with this number of scans from different sources, and of accepted records."""
    scanned = "".join(scan(f"10.0.{1 + number // 250}.{1 + number % 250}") for number in range(scans))
    return HEADER + record() * accepted + scanned + extra


def records(scans=0, accepted=1):
    """Returns the number of records of such a log."""
    return scans * SCAN_PORTS + accepted


def numbered(number):
    """Returns a log with a unique number of records, which identifies its metrics, and that number."""
    scans, total = number % 3, 100 + number
    return flow_log(scans, accepted=total - scans * SCAN_PORTS), total


def gzip(text):
    """Compresses deterministically."""
    return gzip_.compress(text.encode() if isinstance(text, str) else text, mtime=0)


def key(name):
    """Returns an object key like AWS's."""
    day = time.strftime("%Y/%m/%d", time.gmtime(START))
    return f"AWSLogs/{ACCOUNT}/vpcflowlogs/us-east-1/{day}/{name}.log.gz"
