package scsi

// Nexus is an I_T_L nexus as handlers see it: an initiator port, a target port, and the
// logical unit's number there. Its fields are read-only; Value is the handler's.
type Nexus struct {
	Initiator   string // the initiator's name
	TransportID []byte // its port in the form of SPC-4 7.6.4; nil if the transport has none
	Target      string // the target's name
	Port        Port   // the target port
	LUN         uint16 // as mapped for this initiator
	ReadOnly    bool   // the unit is mapped read-only for this initiator
	Value       any    // the handler's own, set in Attach
}

// Port is a target port as VPD page 83h describes it.
type Port struct {
	RelativeID uint16   // RELATIVE TARGET PORT IDENTIFIER, never 0
	Group      uint16   // TARGET PORT GROUP; 0 if the port is in none
	Protocol   Protocol // of the transport
	Name       string   // SCSI name string of the port, such as "iqn…,t,0x0001"; may be empty
	TargetName string   // SCSI name string of the target device; may be empty
	TPGS       uint8    // TPGS field of INQUIRY: 0 none, 1 implicit, 2 explicit, 3 both
}
