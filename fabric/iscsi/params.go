package iscsi

// Params are the operational parameters that a session and its connection run with: what
// was negotiated, and the defaults of RFC 7143 13 for the rest. Lengths are in bytes, times
// in seconds.
type Params struct {
	HeaderDigest, DataDigest bool // CRC32C in use

	// MaxRecvDataSegmentLength is what the target declared: the longest data segment that
	// the initiator may send. MaxXmitDataSegmentLength is what the initiator declared.
	MaxRecvDataSegmentLength int
	MaxXmitDataSegmentLength int

	MaxBurstLength      int
	FirstBurstLength    int // never more than MaxBurstLength
	MaxOutstandingR2T   int
	InitialR2T          bool // unsolicited Data-Out is not allowed
	ImmediateData       bool
	DataPDUInOrder      bool
	DataSequenceInOrder bool

	MaxConnections     int
	ErrorRecoveryLevel int
	DefaultTime2Wait   int
	DefaultTime2Retain int
	ProtocolLevel      int  // iSCSIProtocolLevel (RFC 7144)
	ResponseFence      bool // TaskReporting
}

// defaultParams returns what holds before anything is negotiated.
func defaultParams() Params {
	return Params{
		MaxRecvDataSegmentLength: 8192,
		MaxXmitDataSegmentLength: 8192,
		MaxBurstLength:           262144,
		FirstBurstLength:         65536,
		MaxOutstandingR2T:        1,
		InitialR2T:               true,
		ImmediateData:            true,
		DataPDUInOrder:           true,
		DataSequenceInOrder:      true,
		MaxConnections:           1,
		DefaultTime2Wait:         2,
		DefaultTime2Retain:       20,
		ProtocolLevel:            1,
	}
}

// newConnection returns p for another connection of its session: what belongs to the old
// connection goes back to the defaults.
func (p Params) newConnection() Params {
	d := defaultParams()
	p.HeaderDigest, p.DataDigest = d.HeaderDigest, d.DataDigest
	p.MaxRecvDataSegmentLength = d.MaxRecvDataSegmentLength
	p.MaxXmitDataSegmentLength = d.MaxXmitDataSegmentLength
	return p
}

// Offer is what a target wants of a session. The initiator's wishes count as well, key by
// key as RFC 7143 13 says, and a key that it does not mention keeps the default of the
// standard. The zero value is ready for use; values out of range are clamped.
type Offer struct {
	// HeaderDigest and DataDigest say which digests are accepted.
	HeaderDigest, DataDigest DigestPolicy

	// MaxRecvDataSegmentLength is the longest data segment, in bytes, that the target
	// takes. 0: 262144.
	MaxRecvDataSegmentLength int
	// MaxBurstLength is the most bytes in a solicited sequence. 0: 1 MiB.
	MaxBurstLength int
	// FirstBurstLength is the most bytes of unsolicited data of a command. 0: 262144.
	FirstBurstLength int
	// MaxOutstandingR2T is how many R2Ts of a command may be outstanding. 0: 16.
	MaxOutstandingR2T int

	// InitialR2T forbids unsolicited Data-Out; NoImmediateData forbids data in the
	// command's own PDU.
	InitialR2T, NoImmediateData bool

	// DefaultTime2Wait is how many seconds at least an initiator waits before it
	// reconnects, DefaultTime2Retain for how many at most tasks are kept then.
	DefaultTime2Wait, DefaultTime2Retain int
}

// Defaults of an Offer.
const (
	defaultMaxRecvDataSegmentLength = 256 << 10
	defaultMaxBurstLength           = 1 << 20
	defaultFirstBurstLength         = 256 << 10
	defaultMaxOutstandingR2T        = 16
)

// wanted returns o as parameters: its defaults filled in, its values clamped, and what this
// target cannot do at its least.
func (o *Offer) wanted() Params {
	p := Params{
		MaxRecvDataSegmentLength: orDefault(o.MaxRecvDataSegmentLength, defaultMaxRecvDataSegmentLength),
		MaxBurstLength:           orDefault(o.MaxBurstLength, defaultMaxBurstLength),
		FirstBurstLength:         orDefault(o.FirstBurstLength, defaultFirstBurstLength),
		MaxOutstandingR2T:        orDefault(o.MaxOutstandingR2T, defaultMaxOutstandingR2T),
		InitialR2T:               o.InitialR2T,
		ImmediateData:            !o.NoImmediateData,
		DataPDUInOrder:           true,
		DataSequenceInOrder:      true,
		MaxConnections:           1,
		ErrorRecoveryLevel:       0,
		DefaultTime2Wait:         o.DefaultTime2Wait,
		DefaultTime2Retain:       o.DefaultTime2Retain,
		ProtocolLevel:            2, // task management of RFC 7144
	}
	for id := range keyTable {
		if k := &keyTable[id]; k.number != nil {
			v := k.number(&p)
			*v = min(max(*v, k.lo), k.hi)
		}
	}
	p.MaxRecvDataSegmentLength = min(max(p.MaxRecvDataSegmentLength, minSegment), maxSegment)
	p.FirstBurstLength = min(p.FirstBurstLength, p.MaxBurstLength)
	return p
}

func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}
