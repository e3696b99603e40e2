-- Says which instance owns a room.
-- KEYS: the room's owner. ARGV: prefix of the instances' leases.
-- Returns nothing where none does; else its id, the epoch, what it says of itself (empty: its
-- lease is over), and the milliseconds that are left of its lease.
local held = redis.call('HMGET', KEYS[1], 'instance', 'epoch')
local instance, epoch = held[1], tonumber(held[2])
if not instance then
  return false
end
local key = ARGV[1] .. instance
return {instance, epoch, redis.call('GET', key) or '', redis.call('PTTL', key)}
