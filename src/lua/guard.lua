-- What Lua code can wrap as well as Rust can, and faster. Runs once a VM, with the real libraries.
--   shown(e)   the value that Lua code may see of an error raised by a Rust function
--   hidden     protected table -> the table behind it
local shown, hidden = ...
local pcall, xpcall, resume, rawget, next = pcall, xpcall, coroutine.resume, rawget, next
local loadstring, collectgarbage, type = loadstring, collectgarbage, type
local byte, concat, unpack, ipairs = string.byte, table.concat, unpack, ipairs
local guard = {}

-- Of an error reply pcall gives the text alone, as Redis does.
local function plain(e)
  if type(e) == 'userdata' then e = shown(e) end
  if type(e) == 'table' then
    local text = e.err
    if type(text) == 'string' then return text end
  end
  return e
end

local function protected(ok, ...)
  if ok then return true, ... end
  return false, plain((...))
end

function guard.pcall(...)
  return protected(pcall(...))
end

function guard.xpcall(f, handler)
  return xpcall(f, function(e)
    if type(e) == 'userdata' then e = shown(e) end
    return handler(e)
  end)
end

local function resumed(ok, ...)
  if ok then return true, ... end
  local e = ...
  if type(e) == 'userdata' then e = shown(e) end
  return false, e
end

function guard.resume(...)
  return resumed(resume(...))
end

function guard.rawget(t, k)
  return rawget(hidden[t] or t, k)
end

-- Bytecode is not checked by the VM that runs it: only source is loaded.
function guard.loadstring(text, name)
  if type(text) == 'string' and byte(text) == 27 then
    return nil, 'attempt to load a binary chunk'
  end
  return loadstring(text, name)
end

function guard.load(reader, name)
  local pieces = {}
  while true do
    local ok, piece = pcall(reader)
    if not ok then return nil, plain(piece) end
    if piece == nil or piece == '' then break end
    if type(piece) ~= 'string' then return nil, 'reader function must return a string' end
    pieces[#pieces + 1] = piece
  end
  return guard.loadstring(concat(pieces), name or '=(load)')
end

-- One script must not stop the collector for those that come after it.
function guard.collectgarbage(what, ...)
  if what == nil or what == 'collect' or what == 'count' or what == 'step' then
    return collectgarbage(what, ...)
  end
  return 0
end

-- A library's function with its arguments, for `xpcall`, which passes none.
function guard.bind(f, keys, args)
  return function() return f(keys, args) end
end

-- table.insert and its kin reach a protected table's own, empty part: nothing stays there. Asked after every script, so
-- it is one expression over all of these tables, which are known by now: scrubber() is called when the sandbox is built.
function guard.scrubber()
  local fronts, names = {}, {}
  for front in next, hidden do
    fronts[#fronts + 1] = front
    names[#names + 1] = 't' .. #fronts
  end
  names = concat(names, ', ')
  local all_empty = loadstring(
    'local next, ' .. names .. ' = ... return function() return ' ..
    'not (next(' .. names:gsub(', ', ') or next(') .. ')) end')(next, unpack(fronts))
  return function()
    if all_empty() then return end
    for _, front in ipairs(fronts) do
      local k = next(front)
      while k ~= nil do
        front[k] = nil
        k = next(front)
      end
    end
  end
end

return guard
