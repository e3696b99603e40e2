-- Makes the caller the owner of a room and reads the room.
-- KEYS: the room's owner, snap, log and hands. ARGV: the owner's name, seconds until an unused
-- room is forgotten. Returns epoch, position, snapshot, log; or nothing where there is no room.
local snapshot = redis.call('GET', KEYS[2])
if not snapshot then
  return false
end
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
for key = 1, #KEYS do
  redis.call('EXPIRE', KEYS[key], ARGV[2])
end
redis.call('HSETNX', KEYS[1], 'position', 0)
local position = redis.call('HGET', KEYS[1], 'position')
return {epoch, tonumber(position), snapshot, redis.call('LRANGE', KEYS[3], 0, -1)}
