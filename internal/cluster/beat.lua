-- A replica's sign of life, and what replicas tell each other of broken targets.
-- KEYS[1] is a hash of lease ends by replica, with the time of its making; KEYS[2] a stream of hints.
local id, lease, last = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local t = redis.call('TIME')
local us = tonumber(t[1]) * 1000000 + tonumber(t[2])
local now = math.floor(us / 1000)
if tonumber(redis.call('HGET', KEYS[1], 'now') or 0) > now + 1000 then redis.call('DEL', KEYS[1]) end -- the clock went back: as if all were lost
redis.call('HSET', KEYS[1], 'now', now)
redis.call('HSETNX', KEYS[1], 'born', now)
local live, born = 0, now
redis.call('HSET', KEYS[1], id, lease > 0 and now + lease or 0)
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local at = tonumber(all[i + 1])
  if all[i] == 'born' then
    born = at
  elseif all[i] ~= 'now' and at > now then
    live = live + 1
  elseif all[i] ~= 'now' then
    redis.call('HDEL', KEYS[1], all[i])
  end
end
redis.call('PEXPIRE', KEYS[1], 3600000)
for i = 4, #ARGV do redis.call('XADD', KEYS[2], 'MAXLEN', 512, '*', 'h', ARGV[i]) end
redis.call('PEXPIRE', KEYS[2], 3600000)
local reply = {us, live, now - born, born}
local from = last == '' and '-' or '(' .. last
for _, e in ipairs(redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', 128)) do
  reply[#reply + 1], reply[#reply + 2] = e[1], e[2][2]
end
return reply
