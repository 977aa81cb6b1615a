package engine

// Keys of log fields: dashboards live on them.
const (
	keyDevice    = "device"
	keyTarget    = "target"
	keyInitiator = "initiator"
	keyAddress   = "address"
	keyLUN       = "lun"
	keyType      = "type"
	keyFunction  = "function"
	keyResponse  = "response"
	keyReason    = "reason"
)
