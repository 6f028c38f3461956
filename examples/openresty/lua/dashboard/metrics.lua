--- /metrics: Prometheus' text format. A scrape costs no call of AWS; it shows the latest check.
-- Source: "Exposition formats", text-based format, in Prometheus' documentation.

local check = require "dashboard.check"
local counters = require "dashboard.counters"

local format = string.format

local metrics = {}

local ESCAPES = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

--- A label's value between its quotes.
function metrics.escape(value)
  return (tostring(value):gsub('[\\"\n]', ESCAPES))
end

local function number(value)
  return format("%.14g", value)
end

-- Adds one metric: its help, its type, and a line a sample: { value, label name, label value, ... }
local function add(out, name, kind, help, samples)
  out[#out + 1] = format("# HELP %s %s", name, help)
  out[#out + 1] = format("# TYPE %s %s", name, kind)
  for _, sample in ipairs(samples) do
    local labels = {}
    for i = 2, #sample, 2 do
      labels[#labels + 1] = format('%s="%s"', sample[i], metrics.escape(sample[i + 1]))
    end
    local set = #labels > 0 and "{" .. table.concat(labels, ",") .. "}" or ""
    out[#out + 1] = format("%s%s %s", name, set, number(sample[1]))
  end
end

local function by_state(counts)
  local samples = {}
  for i, entry in ipairs(counts) do
    samples[i] = { entry.Count, "state", entry.State }
  end
  return samples
end

local function by_lane(lanes, value)
  local samples = {}
  for _, lane in ipairs(lanes) do
    local found = value(lane)
    if found then
      samples[#samples + 1] = { found, "cluster", lane.ClusterId, "name", lane.Name or "" }
    end
  end
  return samples
end

local function add_counter(out, metric, help, counter, ...)
  local names, samples = { ... }, {}
  for i, entry in ipairs(counters.all(counter)) do
    local sample = { entry.value }
    for j, name in ipairs(names) do
      sample[#sample + 1], sample[#sample + 2] = name, entry.labels[j]
    end
    samples[i] = sample
  end
  if #names == 0 and #samples == 0 then
    samples[1] = { 0 }
  end
  add(out, metric, "counter", help, samples)
end

local function add_check(out, found, now)
  local lanes = found.Lanes
  add(out, "cloudhsm_backups", "gauge", "Backups by state.", by_state(found.Backups))
  add(out, "cloudhsm_clusters", "gauge", "Clusters by state.", by_state(found.Clusters))
  add(out, "cloudhsm_hsms", "gauge", "HSMs by state.", by_state(found.Hsms))
  add(
    out,
    "cloudhsm_newest_ready_backup_age_seconds",
    "gauge",
    "Age of the newest READY backup of a cluster.",
    by_lane(lanes, function(lane)
      return lane.NewestReady and math.max(0, now - lane.NewestReady)
    end)
  )
  add(
    out,
    "cloudhsm_backup_stale",
    "gauge",
    "1 when an activated cluster has no READY backup younger than the limit.",
    by_lane(lanes, function(lane)
      return lane.Stale and 1 or 0
    end)
  )
  add(out, "cloudhsm_backup_age_limit_seconds", "gauge", "The limit.", { { found.LimitHours * 3600 } })
  add(
    out,
    "cloudhsm_last_check_timestamp_seconds",
    "gauge",
    "Time of the last check that worked.",
    { { found.CheckedAt } }
  )
end

--- The whole text.
function metrics.text()
  local out = {}
  local found = check.latest()
  if found then
    add_check(out, found, ngx.now())
  end
  add_counter(out, "cloudhsm_checks_total", "Checks begun.", "checks")
  add_counter(out, "cloudhsm_check_failures_total", "Checks that failed.", "check_failures")
  add_counter(out, "cloudhsm_api_calls_total", "Requests sent to the service.", "calls", "operation")
  add_counter(out, "cloudhsm_api_errors_total", "Requests that failed.", "errors", "operation", "kind", "code")
  return table.concat(out, "\n") .. "\n"
end

--- For `content_by_lua`.
function metrics.serve()
  ngx.header.content_type = "text/plain; version=0.0.4; charset=utf-8"
  ngx.print(metrics.text())
end

return metrics
