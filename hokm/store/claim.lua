-- Makes the caller the owner of a room and reads the room, or only reads it.
-- KEYS: the room's owner, snap, log and hands. ARGV: the owner's name (empty: only read), seconds
-- until an unused room is forgotten, the owner's instance (empty: there is no fleet), prefix of
-- the instances' leases.
-- Returns epoch, position, snapshot, log; or nothing where there is no room; or in a list of its
-- own the instance whose room it is, or the empty text where the caller has no lease.
local snapshot = redis.call('GET', KEYS[2])
if not snapshot then
  return false
end
if ARGV[1] ~= '' then
  if ARGV[3] ~= '' then
    if redis.call('EXISTS', ARGV[4] .. ARGV[3]) == 0 then
      return {''}
    end
    local instance = redis.call('HGET', KEYS[1], 'instance')
    if instance and instance ~= ARGV[3] and redis.call('EXISTS', ARGV[4] .. instance) == 1 then
      return {instance}
    end
    redis.call('HSET', KEYS[1], 'instance', ARGV[3])
  end
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
  redis.call('HSET', KEYS[1], 'owner', ARGV[1])
  redis.call('HSETNX', KEYS[1], 'position', 0)
  for key = 1, #KEYS do
    redis.call('EXPIRE', KEYS[key], ARGV[2])
  end
end
local held = redis.call('HMGET', KEYS[1], 'epoch', 'position')
local epoch, position = tonumber(held[1]) or 0, tonumber(held[2]) or 0
return {epoch, position, snapshot, redis.call('LRANGE', KEYS[3], 0, -1)}
