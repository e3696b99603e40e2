-- Writes log records of many rooms in one call; see hokm/store/store.py for what is asked.
-- ARGV: seconds until an unused room is forgotten, then for each entry: key prefix of the room,
-- epoch, position, record, snapshot (empty: none), number of hands, hands.
-- Returns one verdict for each entry: 0 done, 1 lost to another owner, 2 the log has a gap.
-- No KEYS: each room's keys share a hash tag, but rooms of different slots go in one call.
local ttl = ARGV[1]
local verdicts = {}
local at = 2
while at <= #ARGV do
  local room, epoch, position = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local record, snapshot, hands = ARGV[at + 3], ARGV[at + 4], tonumber(ARGV[at + 5])
  local held = redis.call('HMGET', room .. 'owner', 'epoch', 'position')
  local held_epoch, held_position = tonumber(held[1]) or -1, tonumber(held[2]) or -1
  local verdict = 0
  if held_epoch > epoch then
    verdict = 1
  elseif held_epoch == epoch and held_position > position then
    -- Stored by an earlier try. Its replicas may not have it yet, and WAIT waits only for what
    -- this connection wrote: so write.
    redis.call('EXPIRE', room .. 'owner', ttl)
  elseif snapshot == '' and (held_epoch ~= epoch or held_position ~= position) then
    verdict = 2
  else
    if snapshot == '' then
      if redis.call('RPUSH', room .. 'log', record) == 1 then
        redis.call('EXPIRE', room .. 'log', ttl)
      end
    else
      redis.call('SET', room .. 'snap', snapshot, 'EX', ttl)
      redis.call('DEL', room .. 'log')
    end
    redis.call('HSET', room .. 'owner', 'epoch', epoch, 'position', position + 1)
    for hand = 1, hands do
      redis.call('RPUSH', room .. 'hands', ARGV[at + 5 + hand])
    end
    if snapshot ~= '' then
      redis.call('EXPIRE', room .. 'owner', ttl)
      redis.call('EXPIRE', room .. 'hands', ttl)
    end
  end
  verdicts[#verdicts + 1] = verdict
  at = at + 6 + hands
end
return verdicts
