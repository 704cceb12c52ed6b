"""The one step that applies a run in Redis: a Lua script, so that nothing comes between its looks and its writes."""

from __future__ import annotations

from typing import Final

# KEYS[1]: the prefix, a hash tag, so that all keys of a memory stand in one slot. ARGV[1]: what `redis.py` packs.
# A kept value is "version\nexpires\nbody", a turn "tokens\nbody", a note "version\nbody", a fence "expires\nemitted".
APPLY: Final = r"""
local prefix, asked = KEYS[1], cjson.decode(ARGV[1])
local function header(text)
  local cut = string.find(text, "\n", 1, true)
  return string.sub(text, 1, cut - 1), string.sub(text, cut + 1)
end

local fence = prefix .. ":fence:" .. asked.run_id
local kept = redis.call("GET", fence)
if kept then
  local expires, emitted = header(kept)
  if tonumber(expires) > asked.at then return {"kept", emitted} end
end

local function version(scope, kind, name)
  if kind == "history" then
    local count = redis.call("LLEN", prefix .. ":turns:" .. scope)
    return count > 0 and tostring(count) or ""
  end
  if kind == "note" then
    local found = redis.call("HGET", prefix .. ":notes:" .. scope, name)
    return found and (header(found)) or ""
  end
  local found = redis.call("GET", prefix .. ":value:" .. scope .. ":" .. name)
  if not found then return "" end
  local by, rest = header(found)
  local expires = header(rest)
  if expires ~= "" and tonumber(expires) <= asked.at then return "" end
  return by
end

for _, one in ipairs(asked.read) do
  if version(one[1], one[2], one[3]) ~= one[4] then return {"conflict", one[2], one[3]} end
end

for _, one in ipairs(asked.values) do
  local key = prefix .. ":value:" .. one[1] .. ":" .. one[2]
  if one[3] == "" then
    redis.call("DEL", key)
    redis.call("SREM", prefix .. ":names:" .. one[1], one[2])
  else
    redis.call("SET", key, one[3])
    if one[4] > 0 then redis.call("PEXPIRE", key, one[4]) end
    redis.call("SADD", prefix .. ":names:" .. one[1], one[2])
    redis.call("SADD", prefix .. ":scopes", one[1])
  end
end
for _, one in ipairs(asked.turns) do
  redis.call("RPUSH", prefix .. ":turns:" .. one[1], one[2])
  redis.call("SADD", prefix .. ":scopes", one[1])
end
for _, one in ipairs(asked.notes) do
  redis.call("HSET", prefix .. ":notes:" .. one[1], one[2], one[3])
  redis.call("SADD", prefix .. ":scopes", one[1])
end

redis.call("SET", fence, asked.fence, "PX", asked.fence_ms)
local runs = prefix .. ":runs:" .. asked.scope
redis.call("ZREMRANGEBYSCORE", runs, "-inf", asked.at)
redis.call("ZADD", runs, asked.fence_expires, asked.run_id)
redis.call("PEXPIRE", runs, asked.fence_ms)
return {"applied"}
"""
