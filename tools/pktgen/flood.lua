-- flood.lua: replays the capture of port 0 for a while, and says what went out and what came back.
--
--   pktgen ... -- -P -m "[1:2].0" -s 0:syn.pcap -f tools/pktgen/flood.lua
--
-- By the environment: RATE, per cent of the link (default 100); SECONDS (default 10). One line a second, then the sum:
--   out and in, frames a second of port 0; in are the node's answers: SYN-ACKs, resets, its part of handshakes

local port = "0"
local seconds = tonumber(os.getenv("SECONDS") or 10)
local rate = tonumber(os.getenv("RATE") or 100)

local function counts()
    local stats = pktgen.portStats(port, "port")[tonumber(port)]
    return stats.opackets, stats.ipackets
end

pktgen.screen("off")
pktgen.clr()
pktgen.set(port, "count", 0) -- until it is stopped
pktgen.set(port, "rate", rate)
pktgen.pcap(port, "on")
pktgen.start(port)

local out_first, in_first = counts()
local out_before, in_before = out_first, in_first
for second = 1, seconds do
    pktgen.delay(1000)
    local out_now, in_now = counts()
    print(string.format("%4d s   out %12.0f/s   in %12.0f/s", second, out_now - out_before, in_now - in_before))
    out_before, in_before = out_now, in_now
end
pktgen.stop(port)
pktgen.delay(1000) -- for the last answers

local out_last, in_last = counts()
print(string.format("sum      out %12.0f     in %12.0f", out_last - out_first, in_last - in_first))
pktgen.quit()
