-- scripts.lua host|path COUNT: each request asks the next of COUNT scripts. hearth's are named by their host, the peer's by a path.
local requests, turn = {}, 0

function init(args)
    for number = 0, tonumber(args[2]) - 1 do
        local name = string.format("%03d", number)
        if args[1] == "host" then
            requests[#requests + 1] = wrk.format("GET", "/", { Host = "s" .. name .. ".hearth.test" })
        else
            requests[#requests + 1] = wrk.format("GET", "/" .. name)
        end
    end
end

function request()
    turn = turn % #requests + 1
    return requests[turn]
end
