-- steps.lua: how much a node takes. The rate of port 0 goes up in steps of 5 % of the link, STEP_SECONDS each (default 5), and each
-- step says what went out and what came back. For a capture each of whose packets has one answer (syn.pcap, hello.pcap), the node is
-- at its end where "in" stays behind "out": what is missing is in the card's counters (hearthctl stats: rx_missed) and in no other.
--
--   pktgen ... -- -P -m "[1:2].0" -s 0:syn.pcap -f tools/pktgen/steps.lua

local port = "0"
local seconds = tonumber(os.getenv("STEP_SECONDS") or 5)

local function counts()
    local stats = pktgen.portStats(port, "port")[tonumber(port)]
    return stats.opackets, stats.ipackets
end

pktgen.screen("off")
pktgen.set(port, "count", 0)
pktgen.pcap(port, "on")
for rate = 5, 100, 5 do
    pktgen.set(port, "rate", rate)
    local out_before, in_before = counts()
    pktgen.start(port)
    pktgen.delay(seconds * 1000)
    pktgen.stop(port)
    pktgen.delay(1000) -- for the last answers
    local out_now, in_now = counts()
    local sent, answered = out_now - out_before, in_now - in_before
    print(string.format("%3d %%   out %12.0f/s   in %12.0f/s   answered %6.2f %%", rate, sent / seconds, answered / seconds,
        sent > 0 and 100 * answered / sent or 0))
end
pktgen.quit()
