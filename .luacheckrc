-- What runs on every Lua from 5.1 to 5.4 and LuaJIT; nothing global is ever written.
std = "min"
max_line_length = 140 -- stylua breaks code at 120, and leaves comments and long strings alone
files["lua/cloudhsmv2/emulator/nginx.lua"] = { globals = { "ngx" } }
-- Specs may look which Lua they run on.
files["spec"] = { std = "min+busted", read_globals = { "jit", "loadstring", "newproxy", "setfenv" } }
-- The OpenResty example runs in nginx, on LuaJIT.
files["examples/openresty"] = { std = "ngx_lua" }

-- A line of the table is a line that somebody reads.
files["spec/helper/mistakes.lua"] = { max_line_length = false }
