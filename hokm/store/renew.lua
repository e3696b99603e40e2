-- Renews an instance's lease, or gets it one, and reads what all instances say of themselves.
-- KEYS: the set of the instances' ids. ARGV: prefix of the leases, the instance's id, its holder,
-- what it says of itself, milliseconds.
-- Returns 1, whether there was no lease before, and the others' words; or, where the id is another
-- holder's, 0 and the milliseconds that are left of that one's lease.
local key = ARGV[1] .. ARGV[2]
local before = redis.call('GET', key)
if before and cjson.decode(before)['holder'] ~= ARGV[3] then
  return {0, redis.call('PTTL', key)}
end
redis.call('SET', key, ARGV[4], 'PX', ARGV[5])
redis.call('SADD', KEYS[1], ARGV[2])
local others = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if id ~= ARGV[2] then
    local said = redis.call('GET', ARGV[1] .. id)
    if said then
      others[#others + 1] = said
    else
      redis.call('SREM', KEYS[1], id)
    end
  end
end
return {1, before and 0 or 1, others}
