-- One replica's part of one shared set of budgets: it says what it has spent, what it keeps and what it wants, and is told what it gets.
-- KEYS[1] holds the whole set's state (MessagePack), so that one script is one atomic step. All times are milliseconds of this server.
--
-- Invariant, for each limit: spent in the window + kept by all replicas + what is given here <= the limit. What a replica keeps counts as
-- spent until the replica says that it has not been, or its lease ends; it stops by itself before that.
--
-- Of limits of more than a minute each replica is also promised a rest: what it may spend, beyond what it keeps, when this server can be asked
-- no more. Promises are in the sum above. Only who was promised lowers a promise, since an answer may be lost.
local id, lease, replicas, shapeMode = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local shapeWindow, shapeBurst, shapeAnchor = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local places, inUse, keepPlaces, blocked = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
local label, nextLabel, oldLabel, refresh = tonumber(ARGV[12]), tonumber(ARGV[13]), tonumber(ARGV[14]), tonumber(ARGV[15])
local nLimits, nDims = tonumber(ARGV[16]), tonumber(ARGV[17])
local slack, age, contradicted = tonumber(ARGV[18]), tonumber(ARGV[19]), tonumber(ARGV[20]) > 0
local at = 21

local UNKNOWN, SLICES, BUCKET, FIXED, SLIDING, PACED = 0, 1, 2, 3, 4, 5
local ALONE = -2 -- the label of a replica that has no grants
local MINUTE, SLOTS = 60000, 240
local floor, ceil, min, max = math.floor, math.ceil, math.min, math.max

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + floor(tonumber(clock[2]) / 1000)

local limits, dims = {}, {}
for k = 1, nLimits do
  limits[k] = {dim = ARGV[at], amount = tonumber(ARGV[at + 1]), per = tonumber(ARGV[at + 2]), recent = tonumber(ARGV[at + 3]),
    rest = tonumber(ARGV[at + 4]), known = tonumber(ARGV[at + 5])}
  at = at + 6
end
for d = 1, nDims do
  dims[d] = {dim = ARGV[at], wanted = tonumber(ARGV[at + 1]), old = tonumber(ARGV[at + 2]), all = tonumber(ARGV[at + 3]),
    keep = max(0, tonumber(ARGV[at + 4])), nextKeep = max(0, tonumber(ARGV[at + 5])), need = tonumber(ARGV[at + 6])}
  at = at + 7
end

local raw = redis.call('GET', KEYS[1])
local state = raw and cmsgpack.unpack(raw)
if not state or (state.now or 0) > now + 1000 then -- the clock went back (another machine serves now): as if all were lost
  state = {replicas = {}, limits = {}, blocked = 0, changed = 0}
end
state.now = now

-- The shape: whoever has learned one last is believed; it is kept when others know nothing.
local shape = state.shape or {mode = UNKNOWN, window = 0, burst = 0, anchor = -1, by = '', at = 0}
if shapeMode ~= UNKNOWN and (shape.by == id or shape.mode == UNKNOWN or now - shape.at > 5 * MINUTE) then
  if shapeMode == shape.mode and shapeAnchor >= 0 and shape.anchor >= 0 then
    local frame = 1000
    if shapeMode == FIXED then frame = shapeWindow > 0 and shapeWindow or MINUTE end
    local off = math.abs(shapeAnchor - shape.anchor) % frame -- anchors are phases: 999 ms and 0 ms are neighbours
    if min(off, frame - off) < 100 then shapeAnchor = shape.anchor end -- a clock's error, no other window
  end
  shape = {mode = shapeMode, window = shapeWindow, burst = shapeBurst, anchor = shapeAnchor, by = id, at = now}
end
local before = state.shape or shape
local changed = before.mode ~= shape.mode or before.window ~= shape.window or before.burst ~= shape.burst or before.anchor ~= shape.anchor
-- Whose seconds are not known is taken to go by the clock's, until the provider refuses a call. Then no second may be exceeded, whenever it begins,
-- which uses less of the quota.
local guessed = shape.anchor < 0 and (shape.mode == UNKNOWN or shape.mode == SLICES)
local slid = now < (state.slide or 0)
if guessed and contradicted then state.slide = now + 10 * MINUTE end
local slide = now < (state.slide or 0)
if guessed and slid ~= slide then changed = true end
if changed then state.changed = now end
local unsure = now - state.changed < 1500 -- some still go by windows that begin at other times
state.shape = shape
local anchor = shape.anchor >= 0 and shape.anchor or 0

-- Who is there. A lease that has ended is nobody's. What was seen of a replica's spending is kept for as long as the limits last, in case it
-- comes back, but not of more than 256.
local life = 10 * MINUTE
for _, l in ipairs(limits) do life = max(life, 2 * l.per) end
local known = 0
for _ in pairs(state.replicas) do known = known + 1 end
local me = state.replicas[id]
for name, r in pairs(state.replicas) do
  if name ~= id and r.lease <= now then
    r.keep, r.nextKeep, r.wanted, r.places, r.inUse, r.rest = {}, {}, {}, 0, 0, {}
    if now - r.lease > (known > 256 and 10 * MINUTE or life) then state.replicas[name] = nil end
  end
end
if not me then
  me = {seen = {}, starved = now}
  state.replicas[id] = me
end

-- kind says how a limit is enforced, and its window. Limits of more than a minute begin anew with the hour or day. PACED is what holds
-- whatever the provider does: never more in any second than a second's part, and never more in the long run than the rate.
local function kind(l)
  if l.per > MINUTE then return FIXED, l.per, 0 end
  local aligned = shape.mode == SLICES and shape.anchor >= 0 or not slide
  if l.per <= 1000 then return aligned and SLICES or PACED, l.per, anchor end
  if shape.mode == UNKNOWN or shape.mode == SLICES then return aligned and SLICES or PACED, 1000, aligned and anchor or 0 end
  if shape.mode == FIXED and shape.anchor >= 0 then return FIXED, shape.window > 0 and shape.window or l.per, anchor end
  if shape.mode == BUCKET then return BUCKET, shape.burst > 0 and shape.burst or l.per, 0 end
  return SLIDING, shape.window > 0 and shape.window or l.per, 0
end

-- Labelled windows: grants are good for one of them only. 0 means that grants are not bound to a window.
local frame, frameAnchor = 0, 0
for _, l in ipairs(limits) do
  local mode, window, a = kind(l)
  if (mode == SLICES or mode == FIXED) and window <= MINUTE and (frame == 0 or window < frame) then frame, frameAnchor = window, a end
end
local current = frame > 0 and floor((now - frameAnchor) / frame) or 0
local function start(lab) return lab * frame + frameAnchor end

-- What was held under a label that is over is held no more; what was held for the next one may be this one's.
local keep, nextKeep = {}, {}
local function hold(into, name, amount) if amount > 0 then into[name] = (into[name] or 0) + amount end end
local spentNow, spentOld, spending = {}, {}, false
for _, d in ipairs(dims) do
  local seen = me.seen[d.dim] or 0
  local all, old = d.all - seen, min(max(d.old - seen, min(d.all - seen, 0)), max(d.all - seen, 0))
  if frame == 0 or label == current then
    hold(keep, d.dim, d.keep)
    if frame > 0 and nextLabel == current + 1 then hold(nextKeep, d.dim, d.nextKeep) end
  elseif label == ALONE then
    hold(keep, d.dim, d.keep)
    old = 0 -- it went by its own share: what of it is recent counts
  else
    old = all -- the window that it belongs to is over
    if frame > 0 and nextLabel == current then hold(keep, d.dim, d.nextKeep) end
  end
  if frame == 0 or unsure then old = 0 end
  spentOld[d.dim], spentNow[d.dim] = old, all - old
  if all > 0 then spending = true end
  me.seen[d.dim] = d.all
end
local wanting = {}
local wants = false
for _, d in ipairs(dims) do
  wanting[d.dim] = d.wanted
  if d.wanted > 0 then wants = true end
end
if spending or not wants then me.starved = now end
me.keep, me.nextKeep, me.wanted, me.label, me.nextLabel = keep, nextKeep, wanting, current, current + 1
me.places, me.inUse, me.lease, me.joined = keepPlaces, inUse, now + lease, true
me.need = {}
for _, d in ipairs(dims) do hold(me.need, d.dim, d.dim == '0' and d.wanted > 0 and max(1, d.need) or d.need) end
if blocked > state.blocked and blocked < now + MINUTE * 10 then state.blocked = blocked end

-- Who counts: live replicas, what they hold now and ahead.
me.rest = {}
for _, l in ipairs(limits) do
  if l.per > MINUTE then me.rest[l.dim .. ':' .. l.per] = max(0, l.rest) end
end
local live, wantedBy, heldBy, aheadBy, needBy, promised, places_ = 0, {}, {}, {}, {}, {}, 0
local starved, starvedAt = nil, now - 700
for name, r in pairs(state.replicas) do
  if r.lease > now then
    live = live + 1
    places_ = places_ + (r.places or 0)
    if changed and name ~= id then -- by the windows of before it is held still
      for dim, n in pairs(r.nextKeep) do r.keep[dim] = (r.keep[dim] or 0) + n end
      r.nextKeep, r.label, r.nextLabel = {}, current, current + 1
    end
    if frame > 0 and r.label ~= current then
      if r.nextLabel == current then r.keep, r.nextKeep = r.nextKeep, {} else r.keep, r.nextKeep = {}, {} end
      r.label, r.nextLabel = current, current + 1
    end
    for dim, n in pairs(r.keep) do heldBy[dim] = (heldBy[dim] or 0) + n end
    for dim, n in pairs(r.nextKeep) do aheadBy[dim] = (aheadBy[dim] or 0) + n end
    for dim, n in pairs(r.wanted) do wantedBy[dim] = (wantedBy[dim] or 0) + n end
    for dim, n in pairs(r.need or {}) do needBy[dim] = max(needBy[dim] or 0, n) end
    if name ~= id then
      for limit, n in pairs(r.rest or {}) do promised[limit] = (promised[limit] or 0) + n end
    end
    if r.starved < starvedAt then starved, starvedAt = name, r.starved end
  end
end

-- book adds what was spent at a time to a list of the last so many milliseconds, and forgets what is older. Spending of a 240th of the span
-- is one entry, whose time is its end.
local function book(s, span, at, sum)
  local grain = max(1, floor(span / SLOTS))
  while #s.ring > 0 and s.ring[1][1] + span < now do
    s.sum = s.sum - s.ring[1][2]
    table.remove(s.ring, 1)
  end
  if sum <= 0 then return end
  local last, finish = s.ring[#s.ring], floor(at / grain) * grain + grain
  if last and last[1] >= finish then last[2] = last[2] + sum else s.ring[#s.ring + 1] = {finish, sum} end
  s.sum = s.sum + sum
end

-- account books spending in a limit's state and returns what is free of it now, and in the next labelled window.
local function account(l)
  local mode, window, a = kind(l)
  local name = l.dim .. ':' .. l.per
  local s = state.limits[name]
  local held, ahead = heldBy[l.dim] or 0, aheadBy[l.dim] or 0
  local fresh, old = spentNow[l.dim] or 0, spentOld[l.dim] or 0
  local sum = fresh + old
  if sum > l.recent then -- an outage, or a state that was lost: what is older than the window counts no more
    fresh, old, sum = min(fresh, l.recent), 0, l.recent
    fresh = sum
  end
  if not s or s.mode ~= mode or s.window ~= window or changed and l.per <= MINUTE then
    local was = s and s.ring and s or {ring = {}, sum = 0}
    s = {mode = mode, window = window, ring = was.ring, sum = was.sum, used = 0, debt = 0, index = -1, at = now, level = -1}
    if (mode == FIXED or mode == SLICES) and l.per <= MINUTE then
      s.index = floor((now - a) / window)
      for _, e in ipairs(s.ring) do
        if e[1] > s.index * window + a then s.used = s.used + e[2] end
      end
    end
    if mode == BUCKET then s.level = l.amount * window / l.per - was.sum end
    state.limits[name] = s
  end
  -- The ring of the last minute serves sliding windows, and whatever shape is learned next.
  if l.per <= MINUTE then
    local span = mode == SLIDING and window or MINUTE
    book(s, span, now, sum)
    local back = -sum -- refunds free the oldest first: never more than was taken leaves with any slot
    while back > 0 and #s.ring > 0 do
      local n = min(back, s.ring[1][2])
      s.ring[1][2], s.sum, back = s.ring[1][2] - n, s.sum - n, back - n
      if s.ring[1][2] <= 0 then table.remove(s.ring, 1) end
    end
  end
  if mode == SLIDING then return l.amount * window / l.per - s.sum - held end
  if mode == PACED then
    local part = l.amount * window / l.per
    local most = max(part, min(needBy[l.dim] or 0, l.amount)) -- a call that needs more than a second's part goes alone
    if not s.second then
      s.second = {ring = {}, sum = 0}
      s.level = s.sum - max(sum, 0) > 0 and 0 or part -- it was enforced in another way until now, and may have sent all at once
    end
    book(s.second, window + slack, now - age, sum) -- what comes back belongs to a second that is over
    s.level, s.at = min(s.level + (now - s.at) * l.amount / l.per, most) - sum, now
    s.level = min(s.level, most)
    return min(s.level, most - s.second.sum) - held
  end
  if mode == BUCKET then
    -- Spending is booked when it is told, which is later than it was: the provider's own level is never below this one less what is held.
    local size = l.amount * window / l.per
    s.level = min(s.level + (now - s.at) * l.amount / l.per, size) - sum
    s.level, s.at = min(s.level, size), now
    return s.level - held
  end
  local index = floor((now - a) / window)
  local part = l.amount * window / l.per
  if s.index ~= index then
    if mode == SLICES then
      local carry = s.debt
      if s.index >= 0 then
        -- Amounts too small for one call add up until one fits; nothing else is carried over.
        local unused = part - s.used
        local room = 0
        if l.dim == '0' then room = max(0, 1 - part) else room = max(0, min(l.amount / 8, 8192) - part) end
        room = max(room, min(needBy[l.dim] or 0, l.amount) - part) -- not more: else what nobody spent is spent twice
        carry = max(s.debt - unused * min(index - s.index, 60), -room)
        if s.used > part then carry = max(0, s.debt + s.used - part - part * (index - s.index - 1)) end
      else
        carry = l.dim == '0' and -max(0, 1 - part) or -max(0, min(l.amount / 8, 8192) - part)
      end
      s.debt = carry
    end
    s.used, s.known, s.index = 0, 0, index
  end
  local mine = fresh
  if old ~= 0 and (window > MINUTE or (frame > 0 and oldLabel >= 0 and floor((start(oldLabel) - a) / window) == index)) then mine = sum end
  if label == ALONE and mode == SLICES then mine = min(mine, part) end -- some of it was before this second
  s.used = max(0, s.used + mine)
  if l.per > MINUTE then
    s.known = max(s.known or 0, l.known) -- what a ledger has, should what replicas told have been lost here
    l.unspent = part - max(s.used, s.known) - held
    return l.unspent - (promised[name] or 0), part
  end
  return part - s.debt - s.used - held, part - max(s.debt, 0)
end

-- What is free of each dimension, now and in the next window.
local free, freeNext, paced = {}, {}, {}
for _, l in ipairs(limits) do
  local n, after = account(l)
  local mode, window = kind(l)
  if mode == PACED then paced[l.dim] = true end
  if after and window == frame then
    after = after - (aheadBy[l.dim] or 0)
  else
    n = n - (aheadBy[l.dim] or 0)
    after = n
  end
  free[l.dim] = min(free[l.dim] or n, n)
  freeNext[l.dim] = min(freeNext[l.dim] or after, after)
end

-- share divides what can be held in all by what is wanted, and gives me what I lack of my part. One replica whose calls have not fitted
-- into its part for a while goes first. It returns what is given, and what should be held at most from now on.
local function share(dim, available, held, mine, bound, late, need, paced)
  local total = max(available, 0) + held
  local wanted, want = wantedBy[dim] or 0, wanting[dim] or 0
  if wanted < total / 4 then -- plenty: everybody has some at hand, so that a first call need not wait
    local little = total / (2 * max(live, 1))
    want, wanted = max(want, little), wanted + little * live
  end
  local target = 0
  if wanted > 0 then target = total * want / wanted end
  if starved and live > 1 then
    local r = state.replicas[starved]
    local first = min(r.wanted[dim] or 0, total)
    if starved == id then
      target = max(target, first)
    elseif wanted > (r.wanted[dim] or 0) then
      target = min(target, (total - first) * want / (wanted - (r.wanted[dim] or 0)))
    end
  end
  if bound then target = min(target, want) end
  if paced and need > target and (not starved or starved == id) then target = min(need, total) end -- whole calls, or nothing moves
  if late and want > target then target = min(want, total) end -- the rest of a second goes to whom it is of use
  target = ceil(target)
  local room = floor(available)
  if live > 1 and mine > 0 and not late and not paced then room = room - ceil(total / 64) end
  if (late or paced) and mine + room < need then return 0, target end -- all of it or nothing: two halves are of use to nobody
  return max(0, min(target - mine, room)), target
end

local reply = {now, live, shape.mode, frame, frame > 0 and start(current) or 0, current, state.blocked > now and state.blocked or 0}
local ahead = frame > 0 and (start(current + 1) - now) < 2 * refresh
local closed = state.blocked > now
local given = {}
for _, d in ipairs(dims) do
  local mine, nextMine = keep[d.dim] or 0, nextKeep[d.dim] or 0
  local add, target, more = 0, 0, 0
  if free[d.dim] then
    add, target = share(d.dim, free[d.dim], heldBy[d.dim] or 0, mine, frame == 0 or frame >= 10000,
      frame > 0 and frame <= 1000 and now - start(current) > 0.15 * frame, d.need, paced[d.dim])
    if ahead then more = share(d.dim, freeNext[d.dim], aheadBy[d.dim] or 0, nextMine, frame >= 10000) end
    if closed or lease <= 0 then add, more = 0, 0 end
    given[d.dim] = add + more
  end
  hold(keep, d.dim, add)
  hold(nextKeep, d.dim, more)
  reply[#reply + 1], reply[#reply + 2], reply[#reply + 3], reply[#reply + 4] = add, target, more, max(0, floor(free[d.dim] or 0) - add)
end

-- The rest of long limits that I am promised: an equal part of what is left. Of the last that is left nothing is promised, since what is
-- promised to one is of no use to another while this server answers.
for _, l in ipairs(limits) do
  if l.per > MINUTE then
    local name = l.dim .. ':' .. l.per
    local gave = given[l.dim] or 0
    local open = max(0, floor(l.unspent) - gave)
    local target = floor(open / max(live, replicas, 1))
    if max(live, replicas) > 1 and (open < l.amount / 32 or target < (needBy[l.dim] or 0)) then target = 0 end
    local most = max(0, open - (promised[name] or 0))
    me.rest[name] = lease > 0 and max(min(me.rest[name], most), min(target, most)) or 0
    reply[#reply + 1], reply[#reply + 2] = me.rest[name], target
  end
end

-- Calls at a time, shared the same way: what runs cannot be taken back.
local givenPlaces, placesTarget = 0, 0
if places > 0 then
  local function demand(r) return (r.inUse or 0) + 1 + (next(r.wanted) and (r.inUse or 0) >= (r.places or 0) and max(1, ceil((r.inUse or 0) / 2)) or 0) end
  local all = 0
  for _, r in pairs(state.replicas) do
    if r.lease > now then all = all + demand(r) end
  end
  if all <= places then
    placesTarget = demand(me) + floor((places - all) / max(live, 1))
  else
    placesTarget = ceil(places * demand(me) / all)
    if starved and starved ~= id and places <= places_ then placesTarget = max(0, placesTarget - 1) end
  end
  givenPlaces = max(0, min(placesTarget - keepPlaces, places - places_))
  me.places = keepPlaces + givenPlaces
end
reply[#reply + 1], reply[#reply + 2] = givenPlaces, placesTarget

redis.call('SET', KEYS[1], cmsgpack.pack(state), 'PX', life)
return reply
