-- Returns what the public tables are like that were shown last; forgets those that nobody showed
-- for long. KEYS: as in show.lua. ARGV: seconds until a table is forgotten, how many to return.
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', redis.call('TIME')[1] - ARGV[1])
for _, room in ipairs(old) do
  redis.call('ZREM', KEYS[1], room)
  redis.call('HDEL', KEYS[2], room)
end
local rooms = redis.call('ZREVRANGE', KEYS[1], 0, ARGV[2] - 1)
if #rooms == 0 then
  return {}
end
return redis.call('HMGET', KEYS[2], unpack(rooms))
