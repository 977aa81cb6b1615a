package iscsi

// Keys of log fields.
const (
	logInitiator = "initiator"
	logTarget    = "target"
	logRemote    = "remote"
	logLocal     = "local"
	logSession   = "tsih"
	logReason    = "reason"
	logAddress   = "address"
)
