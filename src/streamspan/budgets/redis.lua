-- What a ledger in Redis does; redis.py puts one call of these functions after it. Amounts and buckets are strings: a Lua number
-- is a double, and exact to 2^53 only.

local AT = '{streamspan}:'
local asked = cjson.decode(ARGV[1])

local version = redis.call('GET', AT .. 'schema')
if not version then
  redis.call('SET', AT .. 'schema', asked.version)
elseif version ~= asked.version then
  return redis.error_reply('SCHEMA ' .. version)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- The sum of strings, as a string: the server adds in 64 bits.
local function sum(amounts)
  redis.call('SET', AT .. 'sum', '0')
  for _, amount in ipairs(amounts) do redis.call('INCRBY', AT .. 'sum', amount) end
  local result = redis.call('GET', AT .. 'sum')
  redis.call('DEL', AT .. 'sum')
  return result
end

local function negative(amount)
  if amount == '0' then return amount end
  if string.sub(amount, 1, 1) == '-' then return string.sub(amount, 2) end
  return '-' .. amount
end

local function is_positive(amount)
  return amount ~= '0' and string.sub(amount, 1, 1) ~= '-'
end

-- What counts of an account: kind is s (spent), r (reserved) or c (calls).
local function total(account, kind)
  local amounts = {}
  for _, bucket in ipairs(redis.call('ZRANGEBYSCORE', AT .. 'buckets:' .. account.name, account.since, account.last)) do
    local amount = redis.call('HGET', AT .. 'account:' .. account.name, kind .. bucket)
    if amount then amounts[#amounts + 1] = amount end
  end
  if #amounts == 0 then return '0' end
  if #amounts == 1 then return amounts[1] end
  return sum(amounts)
end

local function add(account, spent, reserved, calls)
  local name, bucket = account.name, account.bucket
  local hash = AT .. 'account:' .. name
  redis.call('SADD', AT .. 'accounts', name)
  redis.call('ZADD', AT .. 'buckets:' .. name, bucket, bucket)
  if account.limit then redis.call('HSETNX', hash, 'limit', account.limit) end
  if spent ~= '0' then redis.call('HINCRBY', hash, 's' .. bucket, spent) end
  if reserved ~= '0' and redis.call('HINCRBY', hash, 'r' .. bucket, reserved) < 0 then
    redis.call('HSET', hash, 'r' .. bucket, '0')
  end
  if calls ~= '0' then redis.call('HINCRBY', hash, 'c' .. bucket, calls) end
end

local function forget(name, bucket)
  redis.call('ZREM', AT .. 'buckets:' .. name, bucket)
  redis.call('HDEL', AT .. 'account:' .. name, 's' .. bucket, 'r' .. bucket, 'c' .. bucket)
end

-- Slots of a rolling window that it has long left behind.
local function prune(account)
  if account.oldest then
    for _, bucket in ipairs(redis.call('ZRANGEBYSCORE', AT .. 'buckets:' .. account.name, '-inf', '(' .. account.oldest)) do
      forget(account.name, bucket)
    end
  end
end

local function sweep()
  local expired = redis.call('ZRANGEBYSCORE', AT .. 'leases', '-inf', now)
  for _, id in ipairs(expired) do
    local lease = AT .. 'lease:' .. id
    local amount, accounts = unpack(redis.call('HMGET', lease, 'amount', 'accounts'))
    if amount then
      for _, account in ipairs(cjson.decode(accounts)) do add(account, '0', negative(amount), '0') end
    end
    redis.call('DEL', lease)
    redis.call('ZREM', AT .. 'leases', id)
  end
end

local function shortfall(accounts, amount)
  for index, account in ipairs(accounts) do
    local spent, reserved = total(account, 's'), total(account, 'r')
    local is_short
    if amount == '0' then
      is_short = not is_positive(sum({account.limit, negative(spent)}))
    else
      is_short = is_positive(sum({amount, negative(account.limit), spent, reserved}))
    end
    if is_short then return {'denied', index - 1, spent, reserved} end
  end
end

local function renew(id)
  redis.call('ZADD', AT .. 'leases', now + asked.ttl, id)
end

local function hold(id, accounts, amount)
  local lease, buckets = AT .. 'lease:' .. id, {}
  for index, account in ipairs(accounts) do
    add(account, '0', amount, '0')
    prune(account)
    buckets[index] = {name = account.name, bucket = account.bucket}
  end
  redis.call('HINCRBY', lease, 'amount', amount)
  redis.call('HSET', lease, 'accounts', cjson.encode(buckets))
  renew(id)
end

local function settle()
  for _, one in ipairs(asked.settlements) do
    if redis.call('SET', AT .. 'settled:' .. one.id, '1', 'NX', 'EX', asked.remembered) then
      local held = redis.call('HGET', AT .. 'lease:' .. one.id, 'amount') or '0'
      redis.call('DEL', AT .. 'lease:' .. one.id)
      redis.call('ZREM', AT .. 'leases', one.id)
      for _, account in ipairs(one.accounts) do add(account, one.actual, negative(held), one.calls) end
    end
  end
end

local function reserve()
  sweep()
  settle()
  if redis.call('EXISTS', AT .. 'lease:' .. asked.id) == 1 then return {'held'} end -- it is asked again, as no answer came
  local denied = shortfall(asked.accounts, asked.amount)
  if denied then return denied end
  if asked.amount ~= '0' then hold(asked.id, asked.accounts, asked.amount) end
  return {'held'}
end

local function extend()
  if redis.call('EXISTS', AT .. 'settled:' .. asked.id) == 1 then return {'settled'} end
  local held = redis.call('HGET', AT .. 'lease:' .. asked.id, 'amount')
  if held then renew(asked.id) end -- first of all, so that it is not swept while room is made
  sweep()
  local lacking = sum({asked.amount, negative(held or '0')})
  if is_positive(lacking) then
    local denied = shortfall(asked.accounts, lacking)
    if denied then return denied end
    hold(asked.id, asked.accounts, lacking)
  end
  return {'held'}
end

local function balances()
  sweep()
  local found = {}
  for index, account in ipairs(asked.accounts) do
    found[index] = {total(account, 's'), total(account, 'r'), total(account, 'c')}
  end
  return found
end

-- Says what the limits of this process are, and returns those that were declared before.
local function declare()
  local before = {}
  for index, account in ipairs(asked.accounts) do
    before[index] = redis.call('HGET', AT .. 'account:' .. account.name, 'limit') or account.limit
    redis.call('HSET', AT .. 'account:' .. account.name, 'limit', account.limit)
  end
  return before
end

local function reset()
  sweep()
  local count = 0
  for _, name in ipairs(asked.names) do
    local hash = AT .. 'account:' .. name
    for _, bucket in ipairs(redis.call('ZRANGE', AT .. 'buckets:' .. name, 0, -1)) do
      count = count + 1
      if (redis.call('HGET', hash, 'r' .. bucket) or '0') == '0' then
        forget(name, bucket)
      else
        redis.call('HDEL', hash, 's' .. bucket, 'c' .. bucket)
      end
    end
  end
  return count
end
