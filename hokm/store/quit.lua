-- Ends an instance's lease.
-- KEYS: the set of the instances' ids. ARGV: prefix of the leases, the instance's id, its holder.
local key = ARGV[1] .. ARGV[2]
local before = redis.call('GET', key)
if before and cjson.decode(before)['holder'] == ARGV[3] then
  redis.call('DEL', key)
  redis.call('SREM', KEYS[1], ARGV[2])
end
return 0
