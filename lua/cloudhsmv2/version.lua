--- The version of this library, by semantic versioning.
-- @module cloudhsmv2.version
return "0.1.0"
