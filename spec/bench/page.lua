-- A page of backups as the service writes it: 14 members and three tags for each.

local BACKUP = [[{"BackupArn":"arn:aws:cloudhsm:eu-west-1:111122223333:backup/backup-%s","BackupId":"backup-%s",]]
  .. [["BackupState":"READY","ClusterId":"cluster-dqf7m6ithhc","CopyTimestamp":17259%05d.678,]]
  .. [["CreateTimestamp":17259%05d.149,"HsmType":"hsm2m.medium","Mode":"FIPS","NeverExpires":false,]]
  .. [["SourceBackup":"backup-%s","SourceCluster":"cluster-rhuxbiveqa2","SourceRegion":"us-east-1",]]
  .. [["DeleteTimestamp":17265%05d.133,"TagList":[{"Key":"Name","Value":"nightly"},]]
  .. [[{"Key":"owner","Value":"platform"},{"Key":"cost-centre","Value":"4711"}]}]]

return function(count, token)
  local list = {}
  for i = 1, count do
    local id = ("%011d"):format(i)
    list[i] = BACKUP:format(id, id, i, i, id, i)
  end
  return '{"Backups":[' .. table.concat(list, ",") .. "]" .. (token and ',"NextToken":"' .. token .. '"' or "") .. "}"
end
