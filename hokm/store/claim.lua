-- Makes the caller the owner of a room and reads the room, or only reads it.
-- KEYS: the room's owner, snap, log and hands. ARGV: the owner's name (empty: only read), seconds
-- until an unused room is forgotten.
-- Returns epoch, position, snapshot, log; or nothing where there is no room.
local snapshot = redis.call('GET', KEYS[2])
if not snapshot then
  return false
end
if ARGV[1] ~= '' then
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
