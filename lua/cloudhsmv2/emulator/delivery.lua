--- How an answer travels when a fault is to spoil its way.
--
-- An answer may have a `delivery`: `delay` (seconds before anything comes), `drop` (nothing comes, the connection ends),
-- `piece` and `pause` (the body comes in pieces of so many bytes, so many seconds apart), `cut` and `ends` (after so many
-- bytes of the body the connection ends, by `"reset"` or `"close"`). `skewed` in an answer says that its Date is wrong on
-- purpose, to media that would write a date of their own.
-- @module cloudhsmv2.emulator.delivery

local delivery = {}

--- Sends an answer through a medium.
-- @tparam table answer `status`, `headers`, `body`, `delivery`
-- @tparam table medium functions: `wait(seconds)`, `head(answer)`, `body(bytes)`, `break_off(how)`; what they return but
-- nil ends the sending
-- @return what a function of the medium returned but nil
function delivery.send(answer, medium)
  local how = answer.delivery
  local ended = how.delay and medium.wait(how.delay)
  if ended then
    return ended
  elseif how.drop then
    return medium.break_off "close"
  end
  ended = medium.head(answer)
  local last = how.cut or #answer.body
  local size = math.max(1, how.piece or last)
  for from = 1, last, size do
    if from > 1 then
      ended = ended or medium.wait(how.pause)
    end
    ended = ended or medium.body(answer.body:sub(from, math.min(from + size - 1, last)))
    if ended then
      return ended
    end
  end
  return ended or how.cut and medium.break_off(how.ends) or nil
end

return delivery
