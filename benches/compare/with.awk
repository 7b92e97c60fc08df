# Prints the top ten rejected groups of a flow log, then its totals.
NR == 1 { for (column = 1; column <= NF; column++) at[$column] = column; next }
{ total++; action = $at["action"] }
action == "ACCEPT" { accepted++ }
action == "REJECT" {
    rejected++
    key = $at["interface-id"] " " $at["srcaddr"] " " $at["dstaddr"] " " $at["dstport"] " " $at["protocol"]
    flows[key]++
    packets[key] += $at["packets"]
    bytes[key] += $at["bytes"]
    rejected_bytes += $at["bytes"]
}
END {
    first_ten = "sort -k1,1nr -k2,2nr -k3,3nr | head -10"
    for (key in flows) printf "%.0f %.0f %.0f\n", flows[key], packets[key], bytes[key] | first_ten
    close(first_ten)
    printf "%.0f %.0f %.0f %.0f\n", total, accepted, rejected, rejected_bytes
}
