-- What wrk sends to the service: wrk ... -s serving_load.lua URL -- KIND IDS [PAIRS]
-- KIND: pairs (PAIRS known pairs a request) or mixed (all sorts, a sixth of them malformed or refused).
-- IDS: a file with the users in its first line and the items in its second, as JSON strings between spaces.
-- Statuses are printed at the end, a line each: "status CODE COUNT".

local threads = {}
function setup(thread) table.insert(threads, thread) end

local users, items, kind, size = {}, {}, nil, 1
local headers = { ["Content-Type"] = "application/json", ["Host"] = "127.0.0.1" }

local function any(of) return of[math.random(#of)] end

local function pairs_body(n)
  local u, i = {}, {}
  for k = 1, n do u[k], i[k] = any(users), any(items) end
  return '{"users":[' .. table.concat(u, ",") .. '],"items":[' .. table.concat(i, ",") .. "]}"
end

local function post(path, body, other) return wrk.format("POST", path, other or headers, body) end

local batches = {}
local bad = {
  function() return post("/predict", '{"users":[') end,
  function() return post("/predict", '{"users":[1.5],"items":["1"]}') end,
  function() return post("/predict", '{"users":[7],"items":["1"]}') end,
  function() return post("/predict", '{"users":["1"],"items":["1","2"]}') end,
  function() return post("/predict", string.rep("[", 3000)) end,
  function() return post("/predict", "\255\254\0") end,
  function() return post("/predict", "{}", { ["Content-Type"] = "text/plain", ["Host"] = "127.0.0.1" }) end,
  function() return post("/recommend", '{"users":["1"],"n":-1}') end,
  function() return post("/recommend", '{"ratings":[["no such item",3]]}') end,
  function() return wrk.format("GET", "/recommend?user=%00%ff&n=x", headers) end,
  function() return wrk.format("GET", "/../../etc/passwd", headers) end,
  function() return wrk.format("DELETE", "/predict", headers) end,
  function() return wrk.format("GET", "/health", { ["Host"] = "evil.example" }) end,
}

local function mixed()
  local die = math.random(1000)
  if die <= 760 then return post("/predict", pairs_body(1)) end
  if die <= 790 then return any(batches) end
  if die <= 800 then return wrk.format("GET", "/recommend?reasons=3&user=" .. any(users):sub(2, -2), headers) end
  if die <= 801 then
    return post("/recommend", '{"reasons":3,"ratings":[[' .. any(items) .. ",5],[" .. any(items) .. ",4]]}")
  end
  if die <= 820 then return wrk.format("GET", "/items?search=" .. math.random(99), headers) end
  if die <= 830 then return wrk.format("GET", "/", headers) end
  return any(bad)()
end

function init(args)
  kind, size = args[1], tonumber(args[3] or 1)
  counts = {}
  math.randomseed(7)
  local file = io.open(args[2])
  for id in file:read("*l"):gmatch("%S+") do table.insert(users, id) end
  for id in file:read("*l"):gmatch("%S+") do table.insert(items, id) end
  file:close()
  for k = 1, 20 do batches[k] = post("/predict", pairs_body(kind == "mixed" and 2000 or size)) end
end

function request()
  if kind == "mixed" then return mixed() end
  if size > 1 then return any(batches) end
  return post("/predict", pairs_body(1))
end

function response(status) counts[status] = (counts[status] or 0) + 1 end

function done(summary, latency)
  for _, thread in ipairs(threads) do
    for status, count in pairs(thread:get("counts")) do print("status", status, count) end
  end
  print("summary", summary.requests, summary.duration, summary.errors.connect + summary.errors.read
    + summary.errors.write + summary.errors.timeout)
  for _, p in ipairs({ 50, 90, 99, 99.9 }) do print("latency", p, latency:percentile(p)) end
  print("latency", 100, latency.max)
end
