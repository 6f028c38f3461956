--- What all backups and clusters come to. Pure: lists and a time in, a summary out.

local summary = {}

local DAY, HOUR = 86400, 3600 -- seconds
local DAYS = 30

-- A cluster in one of these has been activated, so it has something to lose.
local ACTIVATED = {
  ACTIVE = true,
  UPDATE_IN_PROGRESS = true,
  MODIFY_IN_PROGRESS = true,
  ROLLBACK_IN_PROGRESS = true,
  DEGRADED = true,
}

local COLUMNS = { READY = "Ready", CREATE_IN_PROGRESS = "Creating", PENDING_DELETION = "Deleting" }

local function count(items, member)
  local numbers, list = {}, {}
  for _, item in ipairs(items) do
    local state = item[member] or "UNKNOWN"
    numbers[state] = (numbers[state] or 0) + 1
  end
  for state, number in pairs(numbers) do
    list[#list + 1] = { State = state, Count = number }
  end
  table.sort(list, function(a, b)
    return a.State < b.State
  end)
  return list
end

local function name_of(resource)
  for _, tag in ipairs(resource.TagList or {}) do
    if tag.Key == "Name" then
      return tag.Value
    end
  end
end

local function empty_days(now)
  local days = {}
  for i = 1, DAYS do
    local date = os.date("!%Y-%m-%d", math.floor(now) - (DAYS - i) * DAY)
    days[i] = { Date = date, Ready = 0, Creating = 0, Deleting = 0 }
  end
  return days
end

local function lane_of(cluster, now)
  return {
    ClusterId = cluster.ClusterId,
    Name = name_of(cluster),
    State = cluster.State,
    HsmType = cluster.HsmType,
    Mode = cluster.Mode,
    Hsms = count(cluster.Hsms or {}, "State"),
    Stale = false,
    Days = empty_days(now),
  }
end

local function add(lane, backup, now)
  local created, column = backup.CreateTimestamp, COLUMNS[backup.BackupState]
  if not created then
    return
  end
  if backup.BackupState == "READY" and created > (lane.NewestReady or 0) then
    lane.NewestReady = created -- a copy has its source's time: CopyTimestamp would make an old backup look new
  end
  local age_in_days = math.floor(now / DAY) - math.floor(created / DAY)
  local day = lane.Days[DAYS - age_in_days]
  if day and column then
    day[column] = day[column] + 1
  end
end

--- @tparam table backups as of DescribeBackups
-- @tparam table clusters as of DescribeClusters
-- @tparam table context `now` (seconds since 1970), `limit_hours`, `region`
-- @treturn table a summary; its lanes are the clusters, then those that only backups know
function summary.of(backups, clusters, context)
  local now = context.now
  local lanes, by_id, hsms = {}, {}, {}
  local function lane_for(cluster)
    local lane = lane_of(cluster, now)
    lanes[#lanes + 1], by_id[cluster.ClusterId] = lane, lane
    return lane
  end

  table.sort(clusters, function(a, b)
    return (name_of(a) or a.ClusterId) < (name_of(b) or b.ClusterId)
  end)
  for _, cluster in ipairs(clusters) do
    lane_for(cluster)
    for _, hsm in ipairs(cluster.Hsms or {}) do
      hsms[#hsms + 1] = hsm
    end
  end
  for _, backup in ipairs(backups) do
    local id = backup.ClusterId or backup.SourceCluster
    if id then
      add(by_id[id] or lane_for { ClusterId = id }, backup, now)
    end
  end
  for _, lane in ipairs(lanes) do
    local age = lane.NewestReady and now - lane.NewestReady
    lane.Stale = ACTIVATED[lane.State] and (not age or age > context.limit_hours * HOUR) or false
  end

  return {
    CheckedAt = now,
    Region = context.region,
    LimitHours = context.limit_hours,
    Backups = count(backups, "BackupState"),
    Clusters = count(clusters, "State"),
    Hsms = count(hsms, "State"),
    Lanes = lanes,
  }
end

return summary
