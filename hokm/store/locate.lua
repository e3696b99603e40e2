-- Says which instance owns a room.
-- KEYS: the room's owner. ARGV: prefix of the instances' leases, the id of an instance that gives
-- the room up if it has it (empty: none).
-- Returns nothing where none does; else its id, what it says of itself (empty: its lease is over),
-- and the milliseconds that are left of its lease.
local instance = redis.call('HGET', KEYS[1], 'instance')
if instance == ARGV[2] then
  redis.call('HDEL', KEYS[1], 'instance', 'owner')
  return false
end
if not instance then
  return false
end
local key = ARGV[1] .. instance
return {instance, redis.call('GET', key) or '', redis.call('PTTL', key)}
