"""Flow logs, small ones, with times near now: CloudWatch takes no metrics of old ones."""

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

# So many ports of one host make a scan, unless set otherwise.
SCAN_PORTS = 15


def record(src="10.0.0.9", dst="10.0.0.5", port=443, action="ACCEPT"):
    return f"2 {ACCOUNT} eni-0a1b {src} {dst} 40000 {port} 6 2 120 {START} {END} {action} OK\n"


def scan(src, dst="10.0.0.5"):
    """The records of one finding, a port scan: of high severity from a private address, else of medium."""
    return "".join(record(src, dst, port, "REJECT") for port in range(1, SCAN_PORTS + 1))


def skipped():
    """A record that makes one finding of low severity."""
    return f"2 {ACCOUNT} eni-0a1b - - - - - - - {START} {END} - SKIPDATA\n"


def flow_log(scans=0, accepted=1, extra=""):
    """A log with so many scans, each by another source, and so many records that were let through."""
    scanned = "".join(scan(f"10.0.{1 + number // 250}.{1 + number % 250}") for number in range(scans))
    return HEADER + record() * accepted + scanned + extra


def records(scans=0, accepted=1):
    """So many records has such a log."""
    return scans * SCAN_PORTS + accepted


def numbered(number):
    """A log with a number of records that no other has, by which its metrics are known; and that number."""
    scans, total = number % 3, 100 + number
    return flow_log(scans, accepted=total - scans * SCAN_PORTS), total


def gzip(text):
    """Always the same bytes for the same text."""
    return gzip_.compress(text.encode() if isinstance(text, str) else text, mtime=0)


def key(name):
    """A name such as AWS gives a flow log's object."""
    day = time.strftime("%Y/%m/%d", time.gmtime(START))
    return f"AWSLogs/{ACCOUNT}/vpcflowlogs/us-east-1/{day}/{name}.log.gz"
