-- Makes a room nobody's, if it still is the caller's.
-- KEYS: the room's owner. ARGV: epoch of the caller's claim.
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'instance', 'owner')
end
return 0
