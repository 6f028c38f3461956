--- Runs public test data through the public faces: `make conformance DIR=FOLDER`.
-- Data files are known by their names; what each holds is said above its runner. Prints `FILE: N passed, N failed` for
-- each, every failed case with what differs, and every skipped case by its id with the reason. Exit code 1 on a failure.

local adaptive = require "cloudhsmv2.retry.adaptive"
local cloudhsmv2 = require "cloudhsmv2"
local codec = require "cloudhsmv2.codec"
local endpoint = require "cloudhsmv2.endpoint"
local json = require "spec.tools.json"
local retry = require "cloudhsmv2.retry"
local service = require "cloudhsmv2.model"
local settings = require "cloudhsmv2.config.settings"
local shared_files = require "cloudhsmv2.config.files"
local sigv4 = require "cloudhsmv2.sigv4"

local FOLDER = arg[1] or "../shared/conformance"

-- Data for an engine of endpoint rules: this client has the rules of one service, and no engine.
local NOT_COVERED = { "endpoint-rule-set.json", "endpoint-ruleset-engine-tests.json" }

-- Raises what differs, for the runner to show.
local function expect(what, expected, actual)
  if expected ~= actual then
    error(string.format("%s\n    expected: %s\n    actual:   %s", what, tostring(expected), tostring(actual)), 0)
  end
end

-- Seconds since 1970 of `2015-08-30T12:36:00Z`.
local function epoch(text)
  local year, month, day, hour, minute, second = text:match "^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)Z$"
  year, month = tonumber(year), tonumber(month)
  if month <= 2 then
    year, month = year - 1, month + 12
  end
  local days = 365 * year + math.floor(year / 4) - math.floor(year / 100) + math.floor(year / 400)
  days = days + math.floor((153 * (month - 3) + 2) / 5) + tonumber(day) - 719469
  return ((days * 24 + tonumber(hour)) * 60 + tonumber(minute)) * 60 + tonumber(second)
end

local function credentials_of(given)
  return {
    access_key_id = given.access_key_id,
    secret_access_key = given.secret_access_key,
    session_token = given.token,
  }
end

local function expect_signature(case, request)
  local signed, err = sigv4.sign(request)
  if not signed then
    error(tostring(err), 0)
  end
  for _, part in ipairs { "canonical_request", "string_to_sign", "signature", "authorization" } do
    expect(part, case[part], signed[part])
  end
end

-- A list of { name, request = an HTTP request as text, context, credentials, and the four parts of the signature }.
local function signing_vectors(data, run)
  for _, case in ipairs(data) do
    run(case.name, function()
      local head, body = case.request, ""
      local blank, body_start = case.request:find "\n\n"
      if blank then
        head, body = case.request:sub(1, blank), case.request:sub(body_start + 1)
      end
      local method, target, lines = head:match "^(%S+) (.-) HTTP/1%.1\n(.*)$"
      local path, query = target:match "^([^?]*)%??(.*)$"
      local headers = {}
      for line in lines:gmatch "[^\n]+" do
        local name, value = line:match "^([^%s:]+):(.*)$"
        if name then
          headers[#headers + 1] = { name, value }
        else -- a folded line belongs to the header before it
          headers[#headers][2] = headers[#headers][2] .. "\n" .. line
        end
      end
      local context = case.context
      expect_signature(case, {
        method = method,
        path = path,
        query = query,
        headers = headers,
        body = body,
        region = context.region,
        service = context.service,
        time = epoch(context.timestamp),
        credentials = credentials_of(case.credentials),
        normalize = context.normalize,
        sign_body = context.sign_body,
        omit_session_token = context.omit_session_token,
        all_headers = true,
      })
    end)
  end
end

-- A list of { name, request = { method, url, headers, body }, credentials, region, service, timestamp, and the parts }.
local function service_signing_vectors(data, run)
  for _, case in ipairs(data) do
    run(case.name, function()
      local host, path = case.request.url:match "^https://([^/]+)(.*)$"
      local headers = { { "Host", host } }
      for name, value in pairs(case.request.headers) do
        headers[#headers + 1] = { name, value }
      end
      expect_signature(case, {
        method = case.request.method,
        path = path,
        query = "",
        headers = headers,
        body = case.request.body,
        region = case.region,
        service = case.service,
        time = epoch(case.timestamp),
        credentials = credentials_of(case.credentials),
      })
    end)
  end
end

-- { testCases = list of { params, expect = { endpoint = { url } } or { error } } }.
local function endpoint_tests(data, run)
  for number, case in ipairs(data.testCases) do
    run(case.documentation or "case " .. number, function()
      local params = case.params or {}
      local url, err = endpoint.resolve {
        region = params.Region,
        use_fips = params.UseFIPS,
        use_dualstack = params.UseDualStack,
        endpoint = params.Endpoint,
      }
      if case.expect.error then
        expect("URL", nil, url)
        expect("message", case.expect.error, err.message)
      else
        expect("URL", case.expect.endpoint.url, url or tostring(err))
      end
    end)
  end
end

-- { partitions = list of { id, outputs, regions = map of overrides } }: every region, in the four variants.
local function partitions(data, run)
  for _, partition in ipairs(data.partitions) do
    for region, overrides in pairs(partition.regions) do
      run(region, function()
        local function output(name)
          return overrides[name] or partition.outputs[name]
        end
        for _, variant in ipairs { { false, false }, { true, false }, { false, true }, { true, true } } do
          local use_fips, use_dualstack = variant[1], variant[2]
          local host = use_fips and "cloudhsmv2-fips." or "cloudhsmv2."
          local suffix = output(use_dualstack and "dualStackDnsSuffix" or "dnsSuffix")
          local url, err = endpoint.resolve { region = region, use_fips = use_fips, use_dualstack = use_dualstack }
          expect("URL", "https://" .. host .. region .. "." .. suffix, url or tostring(err))
        end
      end)
    end
  end
end

-- A client of the suite's own model, with one operation; `answer(request)` stands for the network, `env` for the
-- environment. A suite names no service, but a request is signed for one.
local function client_of(suite, given, answer, env)
  suite.metadata.signingName = suite.metadata.signingName or "service"
  local client, err = cloudhsmv2.new {
    model = { metadata = suite.metadata, operations = { [given.name] = given }, shapes = suite.shapes },
    endpoint = suite.clientEndpoint or "https://example.com",
    region = "us-east-1",
    credentials = {
      access_key_id = "AKIDEXAMPLE",
      secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    },
    getenv = function(name)
      return env and env[name]
    end,
    runtime = {
      send = answer,
      sleep = function() end,
      now = function()
        return 0
      end,
      time = function()
        return 1440938160
      end,
      close = function() end,
    },
  }
  return client or error(tostring(err), 0)
end

-- Test data writes an absent member as null; the codec has a null of its own.
local function with_nulls(value)
  if value == json.null then
    return codec.null
  elseif type(value) == "table" then
    local copy = {}
    for key, item in pairs(value) do
      copy[key] = with_nulls(item)
    end
    return copy
  end
  return value
end

local function header_of(request, name)
  for _, header in ipairs(request.headers) do
    if header[1]:lower() == name:lower() then
      return header[2]
    end
  end
end

-- A list of suites { metadata, shapes, clientEndpoint, cases = list of { id, given = operation, params, serialized } }.
local function protocol_input(data, run, skip)
  for _, suite in ipairs(data) do
    for _, case in ipairs(suite.cases) do
      local given, wanted = case.given, case.serialized
      if given.requestcompression then
        skip(case.id, "request compression: no operation of this service asks for it")
      elseif given.endpoint and given.endpoint.hostPrefix then
        skip(case.id, "host prefix: no operation of this service has one")
      else
        run(case.id, function()
          local request
          local client = client_of(suite, given, function(sent)
            request = sent
            return { status = 200, headers = {}, body = "{}" }
          end)
          local out, err = client:call(given.name, with_nulls(case.params))
          client:close()
          if not out then
            error(tostring(err), 0)
          end
          local origin, uri = request.url:match "^(https?://[^/]+)(.*)$"
          expect("method", wanted.method, request.method)
          expect("path", wanted.uri, uri)
          if wanted.host then
            expect("host", wanted.host:match "^[^/]+", origin:match "//(.*)$")
          end
          for name, value in pairs(wanted.headers or {}) do
            expect("header " .. name, value, header_of(request, name))
          end
          for _, name in ipairs(wanted.requireHeaders or {}) do
            -- the length is the runtime's to send, of the body that it is given
            local sent = name == "Content-Length" and request.body or header_of(request, name)
            expect("has header " .. name, true, sent ~= nil)
          end
          if wanted.body and not json.same(json.decode(wanted.body), json.decode(request.body)) then
            expect("body", wanted.body, request.body)
          end
        end)
      end
    end
  end
end

-- The test data writes the numbers that JSON has not as strings.
local SPECIAL = {
  NaN = function(value)
    return value ~= value
  end,
  Infinity = function(value)
    return value == math.huge
  end,
  ["-Infinity"] = function(value)
    return value == -math.huge
  end,
}

-- Every name that a member of the suite has. Others in an output are unknown members, which a client keeps.
local function member_names(suite)
  local names = {}
  for _, shape in pairs(suite.shapes) do
    for name in pairs(shape.members or {}) do
      names[name] = true
    end
  end
  return names
end

local function expect_value(path, expected, actual, known)
  if type(expected) == "table" and type(actual) == "table" then
    for key, value in pairs(expected) do
      expect_value(path .. "." .. key, value, actual[key], known)
    end
    for key in pairs(actual) do
      if expected[key] == nil and (known[key] or type(key) == "number") then
        expect(path .. "." .. key, nil, actual[key])
      end
    end
  elseif expected == json.null and actual == codec.null then
    return -- an element of a sparse list or map
  elseif expected == json.null then
    expect(path, nil, actual)
  elseif not (type(actual) == "number" and SPECIAL[expected] and SPECIAL[expected](actual)) then
    expect(path, expected, actual)
  end
end

-- A list of suites { metadata, shapes, cases = list of { id, given, response, and result, or error, errorCode and
-- errorMessage } }.
local function protocol_output(data, run)
  for _, suite in ipairs(data) do
    local known = member_names(suite)
    for _, case in ipairs(suite.cases) do
      run(case.id, function()
        local headers = {}
        for name, value in pairs(case.response.headers or {}) do
          headers[name:lower()] = value
        end
        local client = client_of(suite, case.given, function()
          return { status = case.response.status_code, headers = headers, body = case.response.body or "" }
        end)
        local out, err = client:call(case.given.name, {})
        client:close()
        if case.errorCode then
          expect("output", nil, out)
          expect("code", case.errorCode, err.code)
          expect("status", case.response.status_code, err.status)
          if case.errorMessage then
            expect("message", case.errorMessage, err.message)
          end
          expect_value("error", case.error or {}, err.members or {}, known)
        else
          if not out then
            error(tostring(err), 0)
          end
          expect("request id", headers["x-amzn-requestid"], out.ResponseMetadata.RequestId)
          expect_value("output", case.result, out, known)
        end
      end)
    end
  end
end

-- A list of { operation, http_status, body = what the service answered }: decoded and encoded, nothing may differ.
local function real_responses(data, run)
  local model = codec.compile(service.shapes)
  for number, case in ipairs(data) do
    run(string.format("%s, answer %d", case.operation, number), function()
      local shape = service.operations[case.operation].output.shape
      local value, err = model:decode(shape, json.text(case.body))
      local text
      if value then
        text, err = model:encode(shape, value)
      end
      if not text then
        error(tostring(err), 0)
      end
      if not json.same(case.body, json.decode(text)) then
        expect("body", json.text(case.body), text)
      end
    end)
  end
end

-- A list of { env, requestHeadersBefore, requestHeadersAfter, description = lines }: the header that each call sends.
local function recursion_detection(data, run, skip)
  for number, case in ipairs(data) do
    local id = "case " .. number
    if #case.requestHeadersBefore > 0 then
      skip(id, "a header that the caller has set: callers of this client set none")
    else
      run(id, function()
        local request
        local suite = { metadata = service.metadata, shapes = service.shapes }
        local client = client_of(suite, service.operations.DescribeClusters, function(sent)
          request = sent
          return { status = 200, headers = {}, body = "{}" }
        end, case.env)
        local out, err = client:call("DescribeClusters", {})
        client:close()
        if not out then
          error(tostring(err), 0)
        end
        local trace = header_of(request, "X-Amzn-Trace-Id")
        expect("headers", table.concat(case.requestHeadersAfter), trace and "X-Amzn-Trace-Id: " .. trace or "")
      end)
    end
  end
end

-- A client of the service, with a runtime of functions.
local function retrying_client(runtime, max_attempts, chance)
  local client, err = cloudhsmv2.new {
    region = "us-east-1",
    credentials = {
      access_key_id = "AKIDEXAMPLE",
      secret_access_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    },
    retry = { max_attempts = max_attempts },
    random = function()
      return chance
    end,
    getenv = function() end,
    runtime = runtime,
  }
  return client or error(tostring(err), 0)
end

local function lower_names(headers)
  local lower = {}
  for name, value in pairs(headers or {}) do
    lower[name:lower()] = value
  end
  return lower
end

local function answer_of(response)
  local status, code = response.status or response.statusCode, response.errorCode
  local body = code and '{"__type":"' .. code .. '"}' or status == 200 and "{}" or ""
  return { status = status, headers = lower_names(response.headers), body = body }
end

local function expect_near(what, expected, actual)
  if not (type(actual) == "number" and math.abs(expected - actual) < 1e-6) then
    expect(what, expected, actual)
  end
end

-- What the given of a case may say; the rest is about other services.
local RETRY_GIVEN = { max_attempts = true, initial_quota = true, jitter = true, max_backoff = true }

-- A list of { name, given, steps = list of { response, outcome, quota, delay } }: one step for each request, in one or
-- several calls.
local function retry_cases(data, run, skip)
  for _, case in ipairs(data) do
    local unknown
    for name in pairs(case.given) do
      unknown = unknown or (not RETRY_GIVEN[name] and name)
    end
    if unknown then
      skip(case.name, unknown .. ": of other services")
    else
      run(case.name, function()
        local given, steps = case.given, case.steps
        local number, slept, quotas, client = 0, {}, {}, nil
        client = retrying_client({
          send = function()
            quotas[number] = client.retry.quota.left -- after the step before
            number = number + 1
            return answer_of(steps[number].response)
          end,
          sleep = function(seconds)
            slept[number] = seconds
          end,
          now = function()
            return 0
          end,
          time = function()
            return 1440938160
          end,
        }, given.max_attempts, given.jitter or 1)
        client.retry = retry.new {
          mode = "standard",
          random = client.random,
          quota = given.initial_quota,
          most_delay = given.max_backoff,
        }
        while number < #steps do
          local out, err = client:describe_clusters()
          local step = steps[number]
          local outcome = out and "success"
            or err.MaxAttemptsReached and "max_attempts_exceeded"
            or err.RetryQuotaReached and "retry_quota_exceeded"
            or "fail"
          expect("outcome of request " .. number, step.outcome, outcome)
          quotas[number] = client.retry.quota.left
        end
        client:close()
        for i, step in ipairs(steps) do
          expect("another request after " .. i, step.outcome == "retry_request", slept[i] ~= nil)
          if step.delay and step.outcome == "retry_request" then
            expect_near("delay after request " .. i, step.delay, slept[i])
          end
          if step.quota then
            expect("quota after request " .. i, step.quota, quotas[i])
          end
        end
      end)
    end
  end
end

-- One client for a list of calls: { initialClientSkew, maxAttempts, attempts = list of { clientTimeAtSend,
-- clientTimeAtReceive, expectedSigningTime, response }, expectedClientSkew, expectedOutcome }.
local function run_skew_case(case)
  local attempts, number, time, signed_at
  local runtime = {
    send = function(request)
      number = number + 1
      local attempt = attempts[number] or error "one request too many"
      signed_at[number] = header_of(request, "X-Amz-Date")
      time = epoch(attempt.clientTimeAtReceive)
      return answer_of(attempt.response)
    end,
    sleep = function()
      local following = attempts[number + 1] or error "one retry too many"
      time = epoch(following.clientTimeAtSend)
    end,
    now = function()
      return 0
    end,
    time = function()
      return time
    end,
  }
  for i, operation in ipairs(case.operations) do
    local client = case.client or retrying_client(runtime, 3, 0)
    case.client = client
    attempts, number, signed_at = operation.attempts, 0, {}
    time = epoch(attempts[1].clientTimeAtSend)
    if i == 1 then
      client.skew.seconds = operation.initialClientSkew
    end
    expect_near("skew before call " .. i, operation.initialClientSkew, client.skew.seconds)
    local out = client:describe_clusters({}, { max_attempts = operation.maxAttempts })
    expect("outcome of call " .. i, operation.expectedOutcome, out and "success" or "error")
    expect("requests of call " .. i, #attempts, number)
    for n, attempt in ipairs(attempts) do
      local wanted = attempt.expectedSigningTime:gsub("[-:]", "")
      expect("time of signature " .. n, wanted, signed_at[n])
    end
    expect_near("skew after call " .. i, operation.expectedClientSkew, client.skew.seconds)
  end
end

-- { tests = list of { name, operations } }.
local function clock_skew_cases(data, run)
  for _, case in ipairs(data.tests) do
    run(case.name, function()
      run_skew_case(case)
    end)
  end
end

-- Two courses of the rate along the cube curve: rows of { seconds_since_unix_epoch, throttled, expected_calculated_rate }.
local function adaptive_rates(data, run)
  for _, name in ipairs { "cubic_success", "cubic_mixed" } do
    local course = data[name]
    local highest, throttled_at, rate = course.last_max_rate, course.time_of_last_throttle, nil
    for number, row in ipairs(course.rows) do
      local now = row.seconds_since_unix_epoch
      if row.throttled then
        rate = adaptive.reduced(rate)
        highest, throttled_at = rate, now
      else
        rate = adaptive.grown(now - throttled_at, highest)
      end
      local actual = rate
      run(name .. ", row " .. number, function()
        expect_near("rate", row.expected_calculated_rate, actual)
      end)
    end
  end
end

-- The values of sections, without where they stand.
local function values_of(sections)
  local values = {}
  for name, properties in pairs(sections) do
    values[name] = {}
    for key, property in pairs(properties) do
      values[name][key] = property.value
    end
  end
  return values
end

-- { tests = list of { name, input = { configFile, credentialsFile }, output = { config = { profiles, sso_sessions } } or
-- { errorContaining } } }: two texts, read and merged.
local function profile_parser(data, run)
  for _, case in ipairs(data.tests) do
    run(case.name, function()
      local contents = { config = case.input.configFile, credentials = case.input.credentialsFile }
      local loaded, err = shared_files.load {
        getenv = function(name)
          return ({ AWS_CONFIG_FILE = "config", AWS_SHARED_CREDENTIALS_FILE = "credentials" })[name]
        end,
        read_file = function(path)
          return contents[path]
        end,
      }
      local problem = case.output.errorContaining
      if problem then
        expect("files", nil, loaded)
        expect("error", problem, err.message:match(":%d+: (.*)$"):sub(1, #problem))
      else
        if not loaded then
          error(tostring(err), 0)
        end
        for _, kind in ipairs { "profiles", "sso_sessions" } do
          local wanted, found = case.output.config[kind] or {}, values_of(loaded[kind])
          if not json.same(wanted, found) then
            expect(kind, json.text(wanted), json.text(found))
          end
        end
      end
    end)
  end
end

-- { tests = list of { name, environment, platform, profile, configLocation, credentialsLocation } }: the profile that the
-- settings choose, and the files that they read.
local function file_locations(data, run)
  for _, case in ipairs(data.tests) do
    run(case.name, function()
      local asked = {}
      local resolved, err = settings.resolve({}, {
        getenv = function(name)
          return case.environment[name]
        end,
        read_file = function(path)
          asked[path] = true
          return path == case.configLocation and "[default]\n[profile other]" or nil
        end,
        windows = case.platform == "windows",
      })
      if not resolved then
        error(tostring(err), 0)
      end
      expect("profile", case.profile or "default", resolved.profile)
      for _, path in ipairs { case.configLocation, case.credentialsLocation } do
        expect("reads " .. path, true, asked[path])
        asked[path] = nil
      end
      expect("reads another file", nil, (next(asked)))
    end)
  end
end

local RUNNERS = {
  ["adaptive-rate-cases.json"] = adaptive_rates,
  ["aws-json-input.json"] = protocol_input,
  ["aws-json-output.json"] = protocol_output,
  ["clock-skew-cases.json"] = clock_skew_cases,
  ["endpoint-tests.json"] = endpoint_tests,
  ["file-location-tests.json"] = file_locations,
  ["partitions.json"] = partitions,
  ["profile-parser-tests.json"] = profile_parser,
  ["real-responses.json"] = real_responses,
  ["recursion-detection.json"] = recursion_detection,
  ["retry-2026-cases.json"] = retry_cases,
  ["sigv4-cloudhsmv2-vectors.json"] = service_signing_vectors,
  ["sigv4-vectors.json"] = signing_vectors,
}
for name, runner in pairs(require "spec.conformance.credentials") do
  RUNNERS[name] = runner
end
for _, name in ipairs(NOT_COVERED) do
  RUNNERS[name] = false
end

local function files(folder)
  local quoted = "'" .. folder:gsub("'", "'\\''") .. "'"
  local listing = io.popen("cd " .. quoted .. " 2>/dev/null && ls -1")
  local names = {}
  for name in listing:lines() do
    if name:find "%.json$" then
      names[#names + 1] = name
    end
  end
  listing:close()
  return names
end

-- Runs one file; returns how many cases passed and failed.
local function run_file(name, runner)
  local file = assert(io.open(FOLDER .. "/" .. name, "rb"))
  local data = json.decode(file:read "*a")
  file:close()
  local passed, failed, skipped = 0, 0, {}
  runner(data, function(id, test)
    local ok, message = pcall(test)
    if ok then
      passed = passed + 1
    else
      failed = failed + 1
      print(string.format("%s: %s: failed: %s", name, id, tostring(message)))
    end
  end, function(id, reason)
    skipped[#skipped + 1] = string.format("  skipped: %s (%s)", id, reason)
  end)
  print(string.format("%s: %d passed, %d failed", name, passed, failed))
  for _, line in ipairs(skipped) do
    print(line)
  end
  return passed, failed
end

local function main()
  local names = files(FOLDER)
  if #names == 0 then
    print("no test data in " .. FOLDER .. ": nothing to run")
    return 0
  end
  print(string.format("%s, data of %s", jit and jit.version or _VERSION, FOLDER))
  local total_passed, total_failed = 0, 0
  for _, name in ipairs(names) do
    local runner = RUNNERS[name]
    if runner then
      local passed, failed = run_file(name, runner)
      total_passed, total_failed = total_passed + passed, total_failed + failed
    elseif runner == false then
      print(name .. ": rules for an engine, of which this client has none")
    else
      print(name .. ": not known yet")
    end
  end
  print(string.format("%d passed, %d failed", total_passed, total_failed))
  return total_failed == 0 and 0 or 1
end

os.exit(main(), true)
