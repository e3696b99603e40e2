-- Shows a public table to everybody, or shows it no more.
-- KEYS: when each table was shown last, what each is like. ARGV: room code, what it is like (empty:
-- no more).
if ARGV[2] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
return redis.status_reply('OK')
