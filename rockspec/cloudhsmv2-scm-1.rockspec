rockspec_format = "3.0"
package = "cloudhsmv2"
version = "scm-1"

source = {
  url = "git+https://github.com/cloudhsmv2-lua/cloudhsmv2.git",
}

description = {
  summary = "AWS CloudHSM V2 from Lua: all operations, pages, waits, and a local emulator",
  detailed = [[
    A client of the AWS CloudHSM V2 management API. A thin C core signs, transfers and marshals; Lua adds policy:
    configuration, credentials, errors, pagination and waiters. Operations return a result or nil and a structured error,
    and what must not happen twice is never sent twice. Runs alike on Lua 5.1 to 5.4 and LuaJIT.

    The client needs no other rock. The emulator needs lua-cjson; its HTTP server also luasocket and argparse.
  ]],
  homepage = "https://github.com/cloudhsmv2-lua/cloudhsmv2",
  issues_url = "https://github.com/cloudhsmv2-lua/cloudhsmv2/issues",
  license = "MIT",
  labels = { "aws", "cloud", "crypto", "http" },
}

dependencies = {
  "lua >= 5.1",
}

-- Found by their libraries: Debian keeps curl's headers where LuaRocks does not look and the compiler does.
external_dependencies = {
  CURL = { library = "curl" },
  CRYPTO = { library = "crypto" },
}

test_dependencies = {
  "argparse",
  "busted",
  "lua-cjson",
  "luasocket",
}

test = {
  type = "command",
  command = "make check",
}

build = {
  type = "builtin",
  modules = {
    ["cloudhsmv2.core"] = {
      sources = {
        "src/core/base64.c",
        "src/core/buffer.c",
        "src/core/clock.c",
        "src/core/credentials.c",
        "src/core/date.c",
        "src/core/digest.c",
        "src/core/file.c",
        "src/core/hex.c",
        "src/core/http.c",
        "src/core/http_check.c",
        "src/core/http_failure.c",
        "src/core/http_head.c",
        "src/core/journal.c",
        "src/core/json.c",
        "src/core/number.c",
        "src/core/shape.c",
        "src/core/sigv4.c",
        "src/core/sigv4_canonical.c",
        "src/binding/codec.c",
        "src/binding/decode.c",
        "src/binding/encode.c",
        "src/binding/file.c",
        "src/binding/journal.c",
        "src/binding/module.c",
        "src/binding/signer.c",
        "src/binding/transfer.c",
      },
      incdirs = { "$(CURL_INCDIR)", "$(CRYPTO_INCDIR)" },
      libdirs = { "$(CURL_LIBDIR)", "$(CRYPTO_LIBDIR)" },
      libraries = { "curl", "crypto", "m", "pthread", "dl" },
    },
    cloudhsmv2 = "lua/cloudhsmv2/init.lua",
    ["cloudhsmv2.client"] = "lua/cloudhsmv2/client.lua",
    ["cloudhsmv2.codec"] = "lua/cloudhsmv2/codec.lua",
    ["cloudhsmv2.config.files"] = "lua/cloudhsmv2/config/files.lua",
    ["cloudhsmv2.config.locations"] = "lua/cloudhsmv2/config/locations.lua",
    ["cloudhsmv2.config.profile_file"] = "lua/cloudhsmv2/config/profile_file.lua",
    ["cloudhsmv2.config.settings"] = "lua/cloudhsmv2/config/settings.lua",
    ["cloudhsmv2.credentials"] = "lua/cloudhsmv2/credentials/init.lua",
    ["cloudhsmv2.credentials.environment"] = "lua/cloudhsmv2/credentials/environment.lua",
    ["cloudhsmv2.credentials.profile"] = "lua/cloudhsmv2/credentials/profile.lua",
    ["cloudhsmv2.credentials.static"] = "lua/cloudhsmv2/credentials/static.lua",
    ["cloudhsmv2.emulator"] = "lua/cloudhsmv2/emulator/init.lua",
    ["cloudhsmv2.emulator.authenticate"] = "lua/cloudhsmv2/emulator/authenticate.lua",
    ["cloudhsmv2.emulator.certificates"] = "lua/cloudhsmv2/emulator/certificates.lua",
    ["cloudhsmv2.emulator.clock"] = "lua/cloudhsmv2/emulator/clock.lua",
    ["cloudhsmv2.emulator.command"] = "lua/cloudhsmv2/emulator/command.lua",
    ["cloudhsmv2.emulator.delivery"] = "lua/cloudhsmv2/emulator/delivery.lua",
    ["cloudhsmv2.emulator.fault"] = "lua/cloudhsmv2/emulator/fault.lua",
    ["cloudhsmv2.emulator.filtering"] = "lua/cloudhsmv2/emulator/filtering.lua",
    ["cloudhsmv2.emulator.gzip"] = "lua/cloudhsmv2/emulator/gzip.lua",
    ["cloudhsmv2.emulator.handlers"] = "lua/cloudhsmv2/emulator/handlers/init.lua",
    ["cloudhsmv2.emulator.handlers.backups"] = "lua/cloudhsmv2/emulator/handlers/backups.lua",
    ["cloudhsmv2.emulator.handlers.clusters"] = "lua/cloudhsmv2/emulator/handlers/clusters.lua",
    ["cloudhsmv2.emulator.handlers.hsms"] = "lua/cloudhsmv2/emulator/handlers/hsms.lua",
    ["cloudhsmv2.emulator.handlers.policies"] = "lua/cloudhsmv2/emulator/handlers/policies.lua",
    ["cloudhsmv2.emulator.handlers.tags"] = "lua/cloudhsmv2/emulator/handlers/tags.lua",
    ["cloudhsmv2.emulator.http"] = "lua/cloudhsmv2/emulator/http.lua",
    ["cloudhsmv2.emulator.injection"] = "lua/cloudhsmv2/emulator/injection.lua",
    ["cloudhsmv2.emulator.lifecycle"] = "lua/cloudhsmv2/emulator/lifecycle.lua",
    ["cloudhsmv2.emulator.network"] = "lua/cloudhsmv2/emulator/network.lua",
    ["cloudhsmv2.emulator.nginx"] = "lua/cloudhsmv2/emulator/nginx.lua",
    ["cloudhsmv2.emulator.ordered"] = "lua/cloudhsmv2/emulator/ordered.lua",
    ["cloudhsmv2.emulator.paging"] = "lua/cloudhsmv2/emulator/paging.lua",
    ["cloudhsmv2.emulator.pattern"] = "lua/cloudhsmv2/emulator/pattern.lua",
    ["cloudhsmv2.emulator.random"] = "lua/cloudhsmv2/emulator/random.lua",
    ["cloudhsmv2.emulator.runtime"] = "lua/cloudhsmv2/emulator/runtime.lua",
    ["cloudhsmv2.emulator.schedule"] = "lua/cloudhsmv2/emulator/schedule.lua",
    ["cloudhsmv2.emulator.server"] = "lua/cloudhsmv2/emulator/server.lua",
    ["cloudhsmv2.emulator.settings"] = "lua/cloudhsmv2/emulator/settings.lua",
    ["cloudhsmv2.emulator.sharing"] = "lua/cloudhsmv2/emulator/sharing.lua",
    ["cloudhsmv2.emulator.state"] = "lua/cloudhsmv2/emulator/state.lua",
    ["cloudhsmv2.emulator.tagging"] = "lua/cloudhsmv2/emulator/tagging.lua",
    ["cloudhsmv2.emulator.validate"] = "lua/cloudhsmv2/emulator/validate.lua",
    ["cloudhsmv2.emulator.view"] = "lua/cloudhsmv2/emulator/view.lua",
    ["cloudhsmv2.emulator.wire"] = "lua/cloudhsmv2/emulator/wire.lua",
    ["cloudhsmv2.endpoint"] = "lua/cloudhsmv2/endpoint.lua",
    ["cloudhsmv2.errors"] = "lua/cloudhsmv2/errors.lua",
    ["cloudhsmv2.failure"] = "lua/cloudhsmv2/failure.lua",
    ["cloudhsmv2.hints"] = "lua/cloudhsmv2/hints.lua",
    ["cloudhsmv2.model"] = "lua/cloudhsmv2/model.lua",
    ["cloudhsmv2.moment"] = "lua/cloudhsmv2/moment.lua",
    ["cloudhsmv2.paginator"] = "lua/cloudhsmv2/paginator.lua",
    ["cloudhsmv2.parallel"] = "lua/cloudhsmv2/parallel.lua",
    ["cloudhsmv2.protected"] = "lua/cloudhsmv2/protected.lua",
    ["cloudhsmv2.protocol"] = "lua/cloudhsmv2/protocol.lua",
    ["cloudhsmv2.recursion"] = "lua/cloudhsmv2/recursion.lua",
    ["cloudhsmv2.redact"] = "lua/cloudhsmv2/redact.lua",
    ["cloudhsmv2.request"] = "lua/cloudhsmv2/request.lua",
    ["cloudhsmv2.retry"] = "lua/cloudhsmv2/retry/init.lua",
    ["cloudhsmv2.retry.adaptive"] = "lua/cloudhsmv2/retry/adaptive.lua",
    ["cloudhsmv2.retry.backoff"] = "lua/cloudhsmv2/retry/backoff.lua",
    ["cloudhsmv2.retry.classify"] = "lua/cloudhsmv2/retry/classify.lua",
    ["cloudhsmv2.retry.quota"] = "lua/cloudhsmv2/retry/quota.lua",
    ["cloudhsmv2.retry.skew"] = "lua/cloudhsmv2/retry/skew.lua",
    ["cloudhsmv2.retry.standard"] = "lua/cloudhsmv2/retry/standard.lua",
    ["cloudhsmv2.runtime"] = "lua/cloudhsmv2/runtime/init.lua",
    ["cloudhsmv2.runtime.curl"] = "lua/cloudhsmv2/runtime/curl.lua",
    ["cloudhsmv2.runtime.nginx"] = "lua/cloudhsmv2/runtime/nginx.lua",
    ["cloudhsmv2.runtime.scheduler"] = "lua/cloudhsmv2/runtime/scheduler.lua",
    ["cloudhsmv2.runtime.ticker"] = "lua/cloudhsmv2/runtime/ticker.lua",
    ["cloudhsmv2.shared"] = "lua/cloudhsmv2/shared/init.lua",
    ["cloudhsmv2.shared.cache"] = "lua/cloudhsmv2/shared/cache.lua",
    ["cloudhsmv2.shared.credentials"] = "lua/cloudhsmv2/shared/credentials.lua",
    ["cloudhsmv2.shared.failures"] = "lua/cloudhsmv2/shared/failures.lua",
    ["cloudhsmv2.shared.flight"] = "lua/cloudhsmv2/shared/flight.lua",
    ["cloudhsmv2.shared.lock"] = "lua/cloudhsmv2/shared/lock.lua",
    ["cloudhsmv2.shared.options"] = "lua/cloudhsmv2/shared/options.lua",
    ["cloudhsmv2.shared.zone"] = "lua/cloudhsmv2/shared/zone.lua",
    ["cloudhsmv2.sigv4"] = "lua/cloudhsmv2/sigv4.lua",
    ["cloudhsmv2.text"] = "lua/cloudhsmv2/text.lua",
    ["cloudhsmv2.user_agent"] = "lua/cloudhsmv2/user_agent.lua",
    ["cloudhsmv2.version"] = "lua/cloudhsmv2/version.lua",
    ["cloudhsmv2.waiter"] = "lua/cloudhsmv2/waiter.lua",
    ["cloudhsmv2.waiters"] = "lua/cloudhsmv2/waiters.lua",
  },
  install = {
    bin = {
      "src/bin/cloudhsmv2-emulator",
    },
  },
}
