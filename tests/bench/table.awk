# SPDX-License-Identifier: Apache-2.0
# Lines of figures (one JSON object each) to the table of docs/performance.md.
function member(name,   at, rest) {
    at = index($0, "\"" name "\":")
    if (!at) {
        return ""
    }
    rest = substr($0, at + length(name) + 3)
    if (substr(rest, 1, 1) == "\"") {
        rest = substr(rest, 2)
        return substr(rest, 1, index(rest, "\"") - 1)
    }
    match(rest, /^[-+.0-9e]+/)
    return substr(rest, 1, RLENGTH)
}
function short(x) {
    return x == int(x) ? sprintf("%d", x) : sprintf("%.3g", x)
}
BEGIN {
    print "# Performance"
    print ""
    print "Written by `./dev bench`; do not edit. " now "; " machine "; " versions "; load when it ended " load ";"
    print "release build. Over NATS nats-server, `trellis serve` and the hosts share the cores. Hosts are simulated and answer at"
    print "once; they and the client live in the measuring process, in-process the control plane too. In-process uses the file"
    print "store (every write synced), NATS the server's file storage. W1: 2 components, provider, 2 links, 1 config; 6 commands."
    print "The variant *processes* is `trellis up` with real processes of the machine (the example hello)."
    print "Figures move with the machine's other load: compare them with figures of the same machine only. *floor* is what the machine"
    print "takes for one synced write and one round trip, taken minutes before W1: the targets of W1 were set where these were 0.18"
    print "and 0.33 ms."
    print ""
    print "| id | variant | what | figure | p90 / p99 / max | target | how |"
    print "| --- | --- | --- | --- | --- | --- | --- |"
}
{
    spread = member("n") == "" ? "" : short(member("p90")) " / " short(member("p99")) " / " short(member("max"))
    figure = short(member("value")) (member("unit") == "" ? "" : " " member("unit"))
    print "| " member("id") " | " member("variant") " | " member("what") " | " figure " | " spread " | " member("target") " | " member("how") " |"
}
END {
    print ""
    print "## Policy"
    print ""
    print "`policy` and `many` (`./dev bench policy many`, or `tests/bench/run.sh BUILD policy`) measure what policy costs. Decisions: chains"
    print "over one `rules` backend with 100 rules, asked about 4,096 different commands; *new* means that the backend decides, *known* that the"
    print "verdict is kept from before. W1 and W4b: backends of 10 rules each that allow everything, in the chains of `deploy` and `command`."
    print "Where no rule looks at the host, or at its labels only, commands that differ in nothing else are one subject. W4b is 1,000 apps with 1,000 instances each on 10,000 hosts;"
    print "a twentieth of either is measured, deployed and then moved by other weights. Take them on a quiet machine: the rounds without and with"
    print "backends are taken in turn, the best of five counts, and the comparison is of CPU time, hosts included."
}
