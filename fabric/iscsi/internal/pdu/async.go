package pdu

// AsyncEvent is the event code of an Asynchronous Message (RFC 7143 11.9.1).
type AsyncEvent uint8

// Events.
const (
	AsyncSCSI           AsyncEvent = 0   // data is sense data with its length before it
	AsyncLogout         AsyncEvent = 1   // Parameter3: seconds to wait for the Logout Request
	AsyncDropConnection AsyncEvent = 2   // Parameter1: CID, 2: Time2Wait, 3: Time2Retain
	AsyncDropSession    AsyncEvent = 3   // Parameter2: Time2Wait, 3: Time2Retain
	AsyncNegotiate      AsyncEvent = 4   // Parameter3: seconds to wait for the Text Request
	AsyncTasksAborted   AsyncEvent = 5   // all tasks of the LUN are terminated
	AsyncVendor         AsyncEvent = 255 // AsyncVCode says what
)

// String names e.
func (e AsyncEvent) String() string {
	switch e {
	case AsyncSCSI:
		return "SCSI asynchronous event"
	case AsyncLogout:
		return "Target requests logout"
	case AsyncDropConnection:
		return "Target drops the connection"
	case AsyncDropSession:
		return "Target drops all connections of the session"
	case AsyncNegotiate:
		return "Target requests negotiation"
	case AsyncTasksAborted:
		return "Target terminates all tasks of the logical unit"
	case AsyncVendor:
		return "Vendor-specific event"
	}
	return number("async event", uint64(e))
}

// Async is an Asynchronous Message PDU (RFC 7143 11.9).
type Async struct{ Response }

// Async returns h seen as an Asynchronous Message.
func (h *Header) Async() Async { return Async{Response{h}} }

// InitAsync clears h and makes it an Asynchronous Message.
func (h *Header) InitAsync(e AsyncEvent) Async {
	h.Init(OpAsync)
	h.SetFinal(true)
	h.SetITT(ReservedTag)
	h[36] = byte(e)
	return h.Async()
}

// Event returns the event code.
func (a Async) Event() AsyncEvent { return AsyncEvent(a.Header[36]) }

// VCode returns the vendor's code of an AsyncVendor event.
func (a Async) VCode() uint8 { return a.Header[37] }

// SetVCode sets the vendor's code of an AsyncVendor event.
func (a Async) SetVCode(c uint8) { a.Header[37] = c }

// Params returns Parameter1 to Parameter3, whose meaning depends on the event.
func (a Async) Params() (p1, p2, p3 uint16) { return a.u16(38), a.u16(40), a.u16(42) }

// SetParams sets Parameter1 to Parameter3.
func (a Async) SetParams(p1, p2, p3 uint16) {
	a.setU16(38, p1)
	a.setU16(40, p2)
	a.setU16(42, p3)
}
