-- Runs busted under the interpreter that runs this file, whatever the interpreter of the `busted` command is.
require "busted.runner" { standalone = false }
