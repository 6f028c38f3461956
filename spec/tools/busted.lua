-- Runs busted under the interpreter that runs this file, whatever the interpreter of the `busted` command is.
-- SPEC_LOCALE: all of it in that locale.
local locale = os.getenv "SPEC_LOCALE"
if locale then
  assert(os.setlocale(locale), "no locale " .. locale)
end
require "busted.runner" { standalone = false }
